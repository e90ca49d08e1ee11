{{- define "lastcall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "lastcall.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "lastcall.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lastcall.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What a pod has and the pod of helm test has not. */}}
{{- define "lastcall.podSelectorLabels" -}}
{{ include "lastcall.selectorLabels" . }}
app.kubernetes.io/component: service
{{- end }}

{{- define "lastcall.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "lastcall.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Settings that fields of the pod template follow from. They are in its environment and not in the ConfigMap: a pod whose
grace period is the old one must not read the new budget when it restarts, as it would after an upgrade that was refused
half-way.
*/}}
{{- define "lastcall.podSettings" -}}
{{- list "PORT" "SHUTDOWN_DELAY" "GRACEFUL_SHUTDOWN_TIMEOUT" "CANCEL_GRACE" "SCRAPE_LINGER" "MAX_WORKERS" "WORKER_MEMORY_LIMIT" | toJson }}
{{- end }}

{{/* A setting as text. By way of JSON, since Helm reads numbers as floats: 10485760 would become 1.048576e+07. */}}
{{- define "lastcall.settingText" -}}
{{ ternary . (toJson .) (kindIs "string" .) | quote }}
{{- end }}

{{- define "lastcall.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end }}
{{- end }}
{{- end }}

{{- define "lastcall.serviceAccountName" -}}
{{- default (ternary (include "lastcall.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "lastcall.headlessName" -}}
{{ include "lastcall.fullname" . }}-pods
{{- end }}

{{/* The Secret with the tokens: one that is there, one of the release, or none. */}}
{{- define "lastcall.tokensSecret" -}}
{{- with .Values.tokens }}
{{- if .existingSecret }}{{ .existingSecret }}
{{- else if or .admin .generateAdmin .api }}{{ include "lastcall.fullname" $ }}-tokens
{{- end }}
{{- end }}
{{- end }}

{{- define "lastcall.hasTaskTypes" -}}
{{- with .Values.tasks }}{{ if or .modules .existingConfigMap .volume }}true{{ end }}{{ end }}
{{- end }}

{{/*
Seconds that a shutdown may take: the sum that src/server.ts gives to close-with-grace, without its margin. The same values go into its environment.
*/}}
{{- define "lastcall.drainSeconds" -}}
{{- with .Values.config }}
{{- addf .SHUTDOWN_DELAY .GRACEFUL_SHUTDOWN_TIMEOUT .CANCEL_GRACE .SCRAPE_LINGER | ceil | int }}
{{- end }}
{{- end }}

{{- define "lastcall.neededGracePeriodSeconds" -}}
{{- add (int .Values.preStopSleepSeconds) (include "lastcall.drainSeconds" . | int) (int .Values.terminationMarginSeconds) }}
{{- end }}

{{- define "lastcall.gracePeriodSeconds" -}}
{{- $needed := include "lastcall.neededGracePeriodSeconds" . | int }}
{{- $given := int .Values.terminationGracePeriodSeconds }}
{{- if eq $given 0 }}{{ $needed }}
{{- else if lt $given $needed }}
{{- fail (printf "terminationGracePeriodSeconds: %d is less than the %d seconds that preStopSleepSeconds, SHUTDOWN_DELAY, GRACEFUL_SHUTDOWN_TIMEOUT, CANCEL_GRACE, SCRAPE_LINGER and terminationMarginSeconds add up to: the pod would be killed in the middle of its drain" $given $needed) }}
{{- else }}{{ $given }}
{{- end }}
{{- end }}

{{/* For --wait: the old pod's grace period, and the time that a startup probe gives the new one. */}}
{{- define "lastcall.upgradeTimeoutSeconds" -}}
{{- add (include "lastcall.gracePeriodSeconds" . | int) 120 }}
{{- end }}

{{/* The fewest pods that there are by intention, whoever decides it. */}}
{{- define "lastcall.minReplicas" -}}
{{- if eq .Values.engine "embedded" }}1
{{- else if .Values.autoscaling.enabled }}{{ int .Values.autoscaling.minReplicas }}
{{- else if .Values.keda.enabled }}{{ int .Values.keda.minReplicas }}
{{- else }}{{ int .Values.replicaCount }}
{{- end }}
{{- end }}

{{/* Of both Services. */}}
{{- define "lastcall.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Paths that the outside may see, with a prefix match. */}}
{{- define "lastcall.exposedPaths" -}}
{{ concat (list "/api") (ternary (list "/docs" "/openapi.json") list .Values.exposeDocs) | toJson }}
{{- end }}

{{/* The selector of the release's own series, in place of the one in files/. */}}
{{- define "lastcall.seriesSelector" -}}
job={{ .Release.Name | quote }},namespace={{ .Release.Namespace | quote }}
{{- end }}

{{/* The selector of the workload in the series of kube-state-metrics; given the context and the label. */}}
{{- define "lastcall.workloadSelector" -}}
{{- $context := index . 0 }}
{{- index . 1 }}={{ include "lastcall.fullname" $context | quote }},namespace={{ $context.Release.Namespace | quote }}
{{- end }}

{{/* A Kubernetes quantity of memory in MiB, rounded down; 0 for what is written in no common unit. */}}
{{- define "lastcall.mebibytes" -}}
{{- $units := dict "Ki" 0.0009765625 "Mi" 1.0 "Gi" 1024.0 "Ti" 1048576.0 "k" 0.00095367431640625 "M" 0.95367431640625 "G" 953.67431640625 "" 0.00000095367431640625 }}
{{- $text := toString . }}
{{- $number := regexFind "^[0-9.]+" $text }}
{{- $unit := trimPrefix $number $text }}
{{- if and $number (hasKey $units $unit) }}{{ mulf (float64 $number) (get $units $unit) | floor | int }}{{ else }}0{{ end }}
{{- end }}

{{/* Refuses, with the reason, what the schema of the values cannot say. */}}
{{- define "lastcall.check" -}}
{{- if eq .Values.engine "embedded" }}
{{- if gt (int .Values.replicaCount) 1 }}
{{- fail "replicaCount: the embedded engine has one pod, for one process at a time can open its file; use engine: distributed for more" }}
{{- end }}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled }}
{{- fail "autoscaling and keda: the embedded engine has one pod and does not scale; use engine: distributed" }}
{{- end }}
{{- end }}
{{- range $name := list "autoscaling" "keda" }}
{{- $scaling := get $.Values $name }}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- fail (printf "%s: minReplicas is more than maxReplicas" $name) }}
{{- end }}
{{- end }}
{{- if lt (int .Values.terminationMarginSeconds) 2 }}
{{- fail "terminationMarginSeconds: the service itself needs 2 seconds beyond its budgets" }}
{{- end }}
{{- include "lastcall.checkLive" . }}
{{- $own := concat (keys .Values.config) (list "TASK_STORE_URL" "TASKS_DIR" "ADMIN_TOKEN" "API_TOKENS" "TICKET_SECRET") }}
{{- range .Values.extraEnv }}
{{- if has .name $own }}
{{- fail (printf "extraEnv: %s is a setting of the service; set it under config, redis, tokens or tasks, from which other objects follow" .name) }}
{{- end }}
{{- end }}
{{- if gt (len (compact (list (ternary "modules" "" (not (empty .Values.tasks.modules))) .Values.tasks.existingConfigMap (ternary "volume" "" (not (empty .Values.tasks.volume)))))) 1 }}
{{- fail "tasks: TASKS_DIR is one folder; choose one of modules, existingConfigMap and volume" }}
{{- end }}
{{- end }}
