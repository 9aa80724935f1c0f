{{- /* What is refused before anything is changed. Without a cluster (`helm template`), `lookup` finds nothing, and
`.Capabilities.APIVersions` has no kinds. */ -}}
{{- define "namesake.checks" -}}
{{- $namespace := include "namesake.namespace" . -}}
{{- if ne .Release.Namespace $namespace -}}
{{- fail (printf "the release must be in namespace %s, not in %s: helm install --namespace=%[1]s" $namespace .Release.Namespace) -}}
{{- end -}}
{{- $kinds := .Capabilities.APIVersions -}}
{{- if and ($kinds.Has "v1/Namespace") (not ($kinds.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy")) -}}
{{- fail "this cluster has no ValidatingAdmissionPolicy (admissionregistration.k8s.io/v1), and nothing else protects managed accounts while every webhook is down: upgrade the cluster to Kubernetes 1.30 or newer, or enable this API in its API server" -}}
{{- end -}}
{{- if $kinds.Has "v1/Namespace" -}}
{{- $monitors := dict "gke" "monitoring.googleapis.com/v1/PodMonitoring" "prometheus-operator" "monitoring.coreos.com/v1/PodMonitor" -}}
{{- $monitor := get $monitors .Values.metrics.scrapedBy -}}
{{- if and $monitor (not ($kinds.Has $monitor)) -}}
{{- fail (printf "metrics.scrapedBy is %s, and this cluster has no %s: install it first, or set metrics.scrapedBy=none" .Values.metrics.scrapedBy $monitor) -}}
{{- end -}}
{{- end -}}
{{- $webhook := lookup "apps/v1" "Deployment" $namespace "namesake-webhook" -}}
{{- include "namesake.refuseOlder" (dict "root" . "installed" $webhook "place" (printf "Deployment %s/namesake-webhook" $namespace)) -}}
{{- include "namesake.refuseOtherStack" (dict "root" . "webhook" $webhook) -}}
{{- $definition := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "identities.namesake.dev" -}}
{{- if .Values.sharedObjects -}}
{{- include "namesake.refuseOlder" (dict "root" . "installed" $definition "place" "CustomResourceDefinition identities.namesake.dev") -}}
{{- if $definition }}{{ include "namesake.refuseForeign" (dict "root" . "metadata" $definition.metadata) }}{{ end -}}
{{- else if $definition -}}
{{- $release := dig "annotations" "meta.helm.sh/release-name" "" $definition.metadata -}}
{{- $home := dig "annotations" "meta.helm.sh/release-namespace" "" $definition.metadata -}}
{{- if and (eq $release .Release.Name) (eq $home .Release.Namespace) -}}
{{- fail "sharedObjects was true for this release. With false, Helm would delete the policies and roles that all stacks need: leave it true, and uninstall this release last" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Refuses another stack in the place of the installed one: its opted-in namespaces would no longer be checked. */ -}}
{{- define "namesake.refuseOtherStack" -}}
{{- $installed := dig "metadata" "labels" "app.kubernetes.io/instance" "" .webhook -}}
{{- if and $installed (ne $installed .root.Values.stack) -}}
{{- fail (printf "stack %s is installed in namespace %s, and namespaces are opted in to it: with stack=%s their pods would no longer be checked. Set stack=%[1]s, or first uninstall that stack (kubectl namesake uninstall --system-namespace=%[2]s)" $installed .root.Release.Namespace .root.Values.stack) -}}
{{- end -}}
{{- end }}

{{- /* Refuses a chart that is older than what is installed. Versions before 0.1.0 have no label. */ -}}
{{- define "namesake.refuseOlder" -}}
{{- $given := .root.Chart.AppVersion -}}
{{- $installed := dig "metadata" "labels" "app.kubernetes.io/version" "" .installed -}}
{{- if and (regexMatch "^[0-9]+[.][0-9]+[.][0-9]+" $installed) (ne $installed (.root.Values.downgradeFrom | default "")) -}}
{{- if lt ((semver $given).Compare (semver $installed)) 0 -}}
{{- $back := "" -}}
{{- if .root.Release.IsUpgrade -}}
{{- $back = printf " To go back to it: helm rollback %s REVISION --namespace=%s (helm history %[1]s --namespace=%[2]s lists the revisions)." .root.Release.Name .root.Release.Namespace -}}
{{- end -}}
{{- fail (printf "version %s of Namesake is installed (%s), and this chart has the older version %s.%s To install the older chart over the newer version in spite of this, read docs/upgrade.md#roll-back and set downgradeFrom=%[1]s" $installed .place $given $back) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Refuses the kind Identity of somebody else. */ -}}
{{- define "namesake.refuseForeign" -}}
{{- $crd := "customresourcedefinition identities.namesake.dev" -}}
{{- $writers := list -}}
{{- range .metadata.managedFields }}{{ if not .subresource }}{{ $writers = append $writers .manager }}{{ end }}{{ end -}}
{{- $writers = $writers | uniq | join ", " | default "nobody knows whom" -}}
{{- if ne (dig "labels" "app.kubernetes.io/part-of" "" .metadata) "namesake" -}}
{{- fail (printf "the %s exists and is not Namesake's: it has no label app.kubernetes.io/part-of=namesake, and was written by %s. It cannot be adopted, because its objects mean something else. If nobody needs it (kubectl get identities.namesake.dev --all-namespaces): kubectl delete %[1]s" $crd $writers) -}}
{{- end -}}
{{- $release := dig "annotations" "meta.helm.sh/release-name" "" .metadata -}}
{{- $home := dig "annotations" "meta.helm.sh/release-namespace" "" .metadata -}}
{{- $adopt := printf "kubectl annotate --overwrite %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s && kubectl label --overwrite %[1]s app.kubernetes.io/managed-by=Helm" $crd .root.Release.Name .root.Release.Namespace -}}
{{- if not $release -}}
{{- fail (printf "the %s was not installed by Helm, but by %s. This gives it to this release:\n\n  %s\n\nand then helm install --take-ownership (with Helm 4 also --force-conflicts) gives it the other objects that exist" $crd $writers $adopt) -}}
{{- else if or (ne $release .root.Release.Name) (ne $home .root.Release.Namespace) -}}
{{- fail (printf "the %s belongs to the Helm release %s in namespace %s. Exactly one release has what all stacks share: set sharedObjects=false. If that release is gone (helm list --all --namespace=%[3]s), this gives it to this release:\n\n  %[4]s\n" $crd $release $home $adopt) -}}
{{- end -}}
{{- end }}
