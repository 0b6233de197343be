{{/* What is refused, each with a sentence that names the value and the way out. Types and unknown keys: values.schema.json. */}}

{{- define "telecom.validate" -}}
{{- $faults := list -}}
{{- $faults = concat $faults (include "telecom.validate.servers" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "telecom.validate.replicas" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "telecom.validate.streamer" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "telecom.validate.intake" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "telecom.validate.lifecycle" . | fromJsonArray) -}}
{{- $faults = concat $faults (include "telecom.validate.secrets" . | fromJsonArray) -}}
{{- if $faults -}}
{{- fail (printf "\n- %s" (join "\n- " $faults)) -}}
{{- end -}}
{{- end }}

{{- define "telecom.validate.servers" -}}
{{- $faults := list -}}
{{- if not .Values.kafka.bootstrapServers -}}
{{- $faults = append $faults "kafka.bootstrapServers is empty: name the brokers as a pod reaches them, like kafka-bootstrap.kafka:9092" -}}
{{- end -}}
{{- if not .Values.database.existingSecret -}}
{{- $faults = append $faults (printf "database.existingSecret is empty: name a Secret of the namespace %s that has %s, made like this: kubectl --namespace %s create secret generic telecom-database --from-literal=%s=postgres://USER:PASSWORD@HOST:PORT/DATABASE" .Release.Namespace .Values.database.urlKey .Release.Namespace .Values.database.urlKey) -}}
{{- end -}}
{{- $kafka := .Values.kafka.existingSecret -}}
{{- if and $kafka (has $kafka (list .Values.database.existingSecret .Values.migrate.existingSecret .Values.batcher.existingSecret .Values.lifecycle.existingSecret .Values.detector.existingSecret)) -}}
{{- $faults = append $faults (printf "kafka.existingSecret is %q, which is a Secret of the database already: let each have its own" $kafka) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "telecom.validate.replicas" -}}
{{- $faults := list -}}
{{- $partitions := int .Values.kafka.partitions -}}
{{- $workers := int .Values.streamer.workers -}}
{{- $replicas := int .Values.streamer.replicas -}}
{{- $useful := include "telecom.usefulReplicas" . | int -}}
{{- if gt $workers $partitions -}}
{{- $faults = append $faults (printf "streamer.workers is %d, but the topic has %d partitions (kafka.partitions): some workers would never have any; give at most %d, or the topic more partitions" $workers $partitions $partitions) -}}
{{- else if eq .Values.autoscaling.mode "none" -}}
{{- if gt (mul $replicas $workers) $partitions -}}
{{- $faults = append $faults (printf "streamer.replicas is %d, with %d workers each, but the topic has %d partitions (kafka.partitions): the rest would never have any; give at most %d, or the topic more partitions" $replicas $workers $partitions $useful) -}}
{{- end -}}
{{- else -}}
{{- $max := include "telecom.maxReplicas" . | int -}}
{{- if gt $max $useful -}}
{{- $faults = append $faults (printf "autoscaling.maxReplicas is %d, with %d workers each, but the topic has %d partitions (kafka.partitions): the rest would never have any; give at most %d" $max $workers $partitions $useful) -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) $max -}}
{{- $faults = append $faults (printf "autoscaling.minReplicas is %d, and maxReplicas %d: the first may not be the larger one" (int .Values.autoscaling.minReplicas) $max) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.autoscaling.mode "keda") (not .Values.autoscaling.keda.serverAddress) -}}
{{- $faults = append $faults "autoscaling.keda.serverAddress is empty: name the Prometheus that follows the rules, like http://prometheus.monitoring:9090" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "telecom.validate.streamer" -}}
{{- $faults := list -}}
{{- $address := .Values.streamer.metricsAddr -}}
{{- if not (regexMatch "^([^:\\[\\]]+|\\[[0-9a-fA-F:]+\\]):[1-9][0-9]{0,4}$" $address) -}}
{{- $faults = append $faults (printf "streamer.metricsAddr is %q: write ADDRESS:PORT, like 0.0.0.0:9464 or [::]:9464" $address) -}}
{{- else if regexMatch "^(127\\.|localhost:|\\[::1\\]:|\\[0:0:0:0:0:0:0:1\\]:)" $address -}}
{{- $faults = append $faults (printf "streamer.metricsAddr is %q, which only the pod itself reaches: the kubelet's probes come from outside, and would kill every pod; write 0.0.0.0:9464 or [::]:9464" $address) -}}
{{- end -}}
{{- $ours := list "DATABASE_URL" "KAFKA_BOOTSTRAP_SERVERS" "KAFKA_TOPIC" "KAFKA_GROUP_ID" "KAFKA_PROPERTIES" "METRICS_ADDR" "FLUSH_INTERVAL" "WORKERS" "START" "WAIT" "WATERMARK_DELAY" "MAX_FUTURE_SKEW" "BUSINESS_TIMEZONE" "DETECT" "LOG_FORMAT" "RUST_LOG" -}}
{{- range .Values.streamer.extraEnv -}}
{{- if has .name $ours -}}
{{- $faults = append $faults (printf "streamer.extraEnv sets %s, which has a value of its own in this chart: `helm show values` says which" .name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.detector.enabled .Values.streamer.detect -}}
{{- $faults = append $faults "detector.enabled and streamer.detect are both true: the second detector would only wait for the first; set streamer.detect to false" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "telecom.validate.lifecycle" -}}
{{- $faults := list -}}
{{- $times := without (values .Values.lifecycle.retain) "" -}}
{{- if and $times (not .Values.lifecycle.existingSecret) -}}
{{- $faults = append $faults "lifecycle.retain has a time, and lifecycle.existingSecret is empty: name a Secret with the DATABASE_URL of a user that has the role pipeline_lifecycle; no other may delete" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "telecom.validate.intake" -}}
{{- $faults := list -}}
{{- $values := .Values.intake -}}
{{- if $values.enabled -}}
{{- if not $values.mapping.existingConfigMap -}}
{{- $faults = append $faults (printf "intake.mapping.existingConfigMap is empty: name a ConfigMap of the namespace %s that has %s and the tables that it names, made like this: kubectl --namespace %s create configmap telecom-mapping --from-file=%s" .Release.Namespace $values.mapping.key .Release.Namespace $values.mapping.key) -}}
{{- end -}}
{{- if not $values.key.existingSecret -}}
{{- $faults = append $faults (printf "intake.key.existingSecret is empty: name a Secret of the namespace %s that has %s, made like this: kubectl --namespace %s create secret generic telecom-subscriber-key --from-literal=%s=$(openssl rand -hex 32)" .Release.Namespace $values.key.key .Release.Namespace $values.key.key) -}}
{{- else if has $values.key.existingSecret (list .Values.database.existingSecret .Values.migrate.existingSecret .Values.batcher.existingSecret .Values.detector.existingSecret .Values.kafka.existingSecret) -}}
{{- $faults = append $faults (printf "intake.key.existingSecret is %q, which is a Secret of the database or of Kafka already: whoever reads the events must not read the key" $values.key.existingSecret) -}}
{{- end -}}
{{- if and $values.fromTopic $values.files.existingClaim -}}
{{- $faults = append $faults "intake.fromTopic and intake.files.existingClaim are both given: an intake has one source; install the chart once more for the other, with the streamer's and the batcher's parts in one of them alone" -}}
{{- else if not (or $values.fromTopic $values.files.existingClaim) -}}
{{- $faults = append $faults "intake.files.existingClaim is empty: name the PersistentVolumeClaim whose files are read, or a raw topic as intake.fromTopic" -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{/* Secrets, by name, with the key that is used: a JSON object. */}}
{{- define "telecom.secrets" -}}
{{- $secrets := dict -}}
{{- $url := .Values.database.urlKey -}}
{{- $named := list .Values.database.existingSecret -}}
{{- if .Values.migrate.enabled }}{{ $named = append $named .Values.migrate.existingSecret }}{{ end -}}
{{- if .Values.batcher.enabled }}{{ $named = append $named .Values.batcher.existingSecret }}{{ end -}}
{{- if .Values.detector.enabled }}{{ $named = append $named .Values.detector.existingSecret }}{{ end -}}
{{- with .Values.lifecycle.existingSecret }}{{ $named = append $named . }}{{ end -}}
{{- range $name := compact $named }}{{ $_ := set $secrets $name $url }}{{ end -}}
{{- with .Values.kafka.existingSecret -}}
{{- $_ := set $secrets . $.Values.kafka.propertiesKey -}}
{{- end -}}
{{- if and .Values.intake.enabled .Values.intake.key.existingSecret -}}
{{- $_ := set $secrets .Values.intake.key.existingSecret .Values.intake.key.key -}}
{{- end -}}
{{- with .Values.certificates.existingSecret }}{{ $_ := set $secrets . "" }}{{ end -}}
{{- toJson $secrets -}}
{{- end }}

{{/* Only where Helm talks to a cluster: every namespace of one has the account `default`. `helm template` sees none. */}}
{{- define "telecom.validate.secrets" -}}
{{- $faults := list -}}
{{- $namespace := .Release.Namespace -}}
{{- if lookup "v1" "ServiceAccount" $namespace "default" -}}
{{- range $name, $key := include "telecom.secrets" . | fromJson -}}
{{- $secret := lookup "v1" "Secret" $namespace $name -}}
{{- if not $secret -}}
{{- $faults = append $faults (printf "the Secret %s is not in the namespace %s: make it first; its pods would wait for it for ever" $name $namespace) -}}
{{- else if and $key (not (hasKey (default dict $secret.data) $key)) -}}
{{- $faults = append $faults (printf "the Secret %s of the namespace %s has no %s; it has: %s" $name $namespace $key (keys (default dict $secret.data) | sortAlpha | join ", " | default "nothing")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{/* Which versions of the Secrets this release was made from: another one means other pods. Empty without a cluster. */}}
{{- define "telecom.secretVersions" -}}
{{- $versions := list -}}
{{- range $name, $key := include "telecom.secrets" . | fromJson -}}
{{- with lookup "v1" "Secret" $.Release.Namespace $name -}}
{{- $versions = append $versions (printf "%s=%s" $name .metadata.resourceVersion) -}}
{{- end -}}
{{- end -}}
{{- join "," $versions -}}
{{- end }}
