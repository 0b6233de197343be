// Writes a JSON schema for each kind of object that a Kubernetes release knows, and for those that custom resource
// definitions add, as kubeconform reads them: KIND-GROUP-VERSION.json.
//
//	schemas SWAGGER.JSON FOLDER [CRD.YAML...]
//
// Fields that a schema does not name are refused, so that a mistyped one is found.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	// Its package is read by controller-gen.
	_ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

type object = map[string]any

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: schemas SWAGGER.JSON FOLDER [CRD.YAML...]"))
	}
	swagger, folder := os.Args[1], os.Args[2]
	kinds, err := ofRelease(swagger, folder)
	for _, path := range os.Args[3:] {
		if err == nil {
			err = ofDefinition(path, folder)
			kinds++
		}
	}
	if err != nil {
		fail(err)
	}
	fmt.Println(kinds)
}

// ofRelease returns how many kinds it wrote.
func ofRelease(swagger, folder string) (int, error) {
	var api struct {
		Definitions map[string]object
	}
	if err := read(swagger, &api); err != nil {
		return 0, err
	}
	for name, definition := range api.Definitions {
		switch name {
		case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
			definition["type"] = []string{"string", "number"}
			delete(definition, "format")
		}
		refuseUnknown(definition)
	}
	if err := write(folder, "definitions.json", object{"definitions": api.Definitions}); err != nil {
		return 0, err
	}
	kinds := 0
	for name, definition := range api.Definitions {
		known, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(known) != 1 {
			continue // options of requests, which many groups share
		}
		gvk := known[0].(object)
		text := func(key string) string { return fmt.Sprint(gvk[key]) }
		properties, isObject := definition["properties"].(object)
		if !isObject {
			continue
		}
		apiVersion := strings.TrimPrefix(text("group")+"/"+text("version"), "/")
		properties["apiVersion"] = object{"enum": []string{apiVersion}}
		properties["kind"] = object{"enum": []string{text("kind")}}
		schema := object{"$ref": "definitions.json#/definitions/" + name}
		if err := write(folder, fileName(text("kind"), text("group"), text("version")), schema); err != nil {
			return 0, err
		}
		kinds++
	}
	// Once more, with what was added to the kinds.
	return kinds, write(folder, "definitions.json", object{"definitions": api.Definitions})
}

func ofDefinition(path, folder string) error {
	var definition struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema object }
			}
		}
	}
	if err := read(path, &definition); err != nil {
		return err
	}
	spec := definition.Spec
	for _, version := range spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		refuseUnknown(schema)
		// What every object has, and these schemas leave out.
		schema["properties"].(object)["metadata"] = object{"type": "object"}
		if err := write(folder, fileName(spec.Names.Kind, spec.Group, version.Name), schema); err != nil {
			return err
		}
	}
	return nil
}

// refuseUnknown refuses, in a schema and all that are in it, fields that it does not name.
func refuseUnknown(schema any) {
	switch schema := schema.(type) {
	case []any:
		for _, one := range schema {
			refuseUnknown(one)
		}
	case object:
		if schema["x-kubernetes-int-or-string"] == true {
			schema["type"] = []string{"string", "integer"}
		}
		_, hasProperties := schema["properties"].(object)
		_, hasOthers := schema["additionalProperties"]
		if hasProperties && !hasOthers && schema["x-kubernetes-preserve-unknown-fields"] != true {
			schema["additionalProperties"] = false
		}
		for _, value := range schema {
			refuseUnknown(value)
		}
	}
}

func fileName(kind, group, version string) string {
	parts := []string{kind}
	if group != "" {
		parts = append(parts, strings.Split(group, ".")[0])
	}
	return strings.ToLower(strings.Join(append(parts, version), "-")) + ".json"
}

func read(path string, into any) error {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(bytes, into)
}

func write(folder, name string, schema any) error {
	bytes, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name), bytes, 0o644)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
