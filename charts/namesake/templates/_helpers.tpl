{{- /* What follows the names of namespace and cluster-wide objects. */ -}}
{{- define "namesake.suffix" -}}
{{- if .Values.nameSuffix }}-{{ .Values.stack }}{{ end -}}
{{- end }}

{{- define "namesake.namespace" -}}
namesake-system{{ include "namesake.suffix" . }}
{{- end }}

{{- define "namesake.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Who calls the webhook. */ -}}
{{- define "namesake.callers" -}}
{{- $system := dict "matchLabels" (dict "kubernetes.io/metadata.name" "kube-system") -}}
{{- $agents := dict "matchLabels" (dict "k8s-app" "konnectivity-agent") -}}
{{- $callers := list (dict "namespaceSelector" $system "podSelector" $agents) -}}
{{- if eq .Values.controlPlane.type "peering" -}}
{{- range .Values.controlPlane.addresses }}{{ $callers = append $callers (dict "ipBlock" (dict "cidr" .)) }}{{ end -}}
{{- end -}}
{{- toJson $callers -}}
{{- end }}

{{- /* Where the API server is. */ -}}
{{- define "namesake.apiServer" -}}
{{- $blocks := list -}}
{{- range .Values.controlPlane.addresses | default (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16") -}}
{{- $blocks = append $blocks (dict "ipBlock" (dict "cidr" .)) -}}
{{- end -}}
{{- toJson $blocks -}}
{{- end }}

{{- /* What the doctor in the cluster has no rights for, and what is not installed. */ -}}
{{- define "namesake.skip" -}}
--skip=webhook-reachable,exposure{{ if eq .Values.metrics.scrapedBy "none" }},metrics{{ end }}
{{- end }}

{{- /* The pod of a hook that runs `kubectl namesake` with these arguments, like the nightly doctor. */ -}}
{{- define "namesake.hook" -}}
apiVersion: v1
kind: Pod
metadata:
  name: namesake-{{ .name }}
  namespace: {{ include "namesake.namespace" .root }}
  labels:
    app.kubernetes.io/name: namesake-doctor
    app.kubernetes.io/part-of: namesake
    app.kubernetes.io/instance: {{ .root.Values.stack | quote }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
    # Helm prints what it found, since 3.18.
    helm.sh/hook-output-log-policy: hook-failed,hook-succeeded
spec:
  serviceAccountName: namesake-doctor
  restartPolicy: Never
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: {{ .name }}
      image: {{ .root.Values.image.registry }}/cli:{{ include "namesake.tag" .root }}
      command: [kubectl-namesake]
      args: {{ toJson (append .args (printf "--system-namespace=%s" (include "namesake.namespace" .root))) }}
      resources:
        requests: {cpu: 20m, memory: 64Mi}
        limits: {memory: 128Mi}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
{{- end }}
