{{/* Names, labels, and what all pods have in common. */}}

{{- define "telecom.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* In: dict "root" $ "component" NAME. What never changes during the life of a release. */}}
{{- define "telecom.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* In: the same. */}}
{{- define "telecom.labels" -}}
{{ include "telecom.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: telecom
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* In: dict "root" $ "image" NAME. */}}
{{- define "telecom.image" -}}
{{- $values := .root.Values.image -}}
{{- if $values.registry }}{{ $values.registry }}/{{ end }}{{ .image }}:{{ default .root.Chart.AppVersion $values.tag -}}
{{- end }}

{{- define "telecom.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "telecom.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* In: dict "root" $ "component" NAME. Labels and annotations of a pod. A Secret that changed replaces the pods. */}}
{{- define "telecom.podMetadata" -}}
labels:
  {{- include "telecom.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- with include "telecom.secretVersions" .root }}
  telecom/secret-versions: {{ . | quote }}
  {{- end }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* In: dict "root" $ "serviceAccountName" NAME, perhaps "volumes" LIST. The part of a pod's spec that is the same for all: Pod Security "restricted". */}}
{{- define "telecom.podSpec" -}}
serviceAccountName: {{ .serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if or .root.Values.certificates.existingSecret .volumes }}
volumes:
  {{- with .root.Values.certificates.existingSecret }}
  - name: certificates
    secret: { secretName: {{ . | quote }}, defaultMode: 0440 }
  {{- end }}
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* In: dict "root" $ "image" NAME "resources" MAP, perhaps "mounts" LIST. The part of a container that is the same for all. */}}
{{- define "telecom.container" -}}
image: {{ include "telecom.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
resources:
  {{- toYaml .resources | nindent 2 }}
{{- if or .root.Values.certificates.existingSecret .mounts }}
volumeMounts:
  {{- with .root.Values.certificates }}
  {{- if .existingSecret }}
  - { name: certificates, mountPath: {{ .mountPath | quote }}, readOnly: true }
  {{- end }}
  {{- end }}
  {{- with .mounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* In: dict "root" $ "secret" NAME or "". Variables of every program that uses the database. */}}
{{- define "telecom.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ default .root.Values.database.existingSecret .secret | quote }}
      key: {{ .root.Values.database.urlKey | quote }}
{{ include "telecom.logEnv" .root }}
{{- end }}

{{/* Variables of every program. */}}
{{- define "telecom.logEnv" -}}
- { name: LOG_FORMAT, value: {{ .Values.log.format | quote }} }
{{- with .Values.log.level }}
- { name: RUST_LOG, value: {{ . | quote }} }
{{- end }}
{{- end }}

{{/* Variables of every program that uses Kafka. */}}
{{- define "telecom.kafkaEnv" -}}
- { name: KAFKA_BOOTSTRAP_SERVERS, value: {{ .Values.kafka.bootstrapServers | quote }} }
- { name: KAFKA_TOPIC, value: {{ .Values.kafka.topic | quote }} }
{{- with .Values.kafka.existingSecret }}
- name: KAFKA_PROPERTIES
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: {{ $.Values.kafka.propertiesKey | quote }}
{{- end }}
{{- end }}

{{/* The port of METRICS_ADDR. */}}
{{- define "telecom.metricsPort" -}}
{{- .Values.streamer.metricsAddr | splitList ":" | last -}}
{{- end }}

{{/* How many streamers have something to do. */}}
{{- define "telecom.usefulReplicas" -}}
{{- div (int .Values.kafka.partitions) (int .Values.streamer.workers) -}}
{{- end }}

{{- define "telecom.maxReplicas" -}}
{{- default (include "telecom.usefulReplicas" .) (int .Values.autoscaling.maxReplicas) -}}
{{- end }}

{{/* Pods more and less, for both ways of scaling. */}}
{{- define "telecom.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{ type: Pods, value: 1, periodSeconds: {{ int .Values.autoscaling.scaleUpPeriodSeconds }} }]
scaleDown:
  stabilizationWindowSeconds: {{ int .Values.autoscaling.scaleDownPeriodSeconds }}
  policies: [{ type: Pods, value: 1, periodSeconds: {{ int .Values.autoscaling.scaleDownPeriodSeconds }} }]
{{- end }}
