{{/* Refuses an upgrade that the API server would refuse half-way, or that would leave tasks behind. */}}
{{- define "lastcall.checkLive" -}}
{{- if .Release.IsUpgrade }}
{{- $name := include "lastcall.fullname" . }}
{{- $ours := dict }}
{{- range (lookup "apps/v1" "StatefulSet" .Release.Namespace "").items }}
{{- $owner := dig "annotations" "meta.helm.sh/release-name" "" .metadata }}
{{- if and (eq $owner $.Release.Name) (hasPrefix (print $.Chart.Name "-") (dig "labels" "helm.sh/chart" "" .metadata)) }}
{{- $ours = . }}
{{- end }}
{{- end }}
{{- if $ours }}
{{- if eq .Values.engine "distributed" }}
{{- fail (printf "engine: StatefulSet %s of this release has tasks in its file, which the distributed engine would not find; docs/runbook.md (Changing the engine) says how to move" $ours.metadata.name) }}
{{- end }}
{{- if ne $ours.metadata.name $name }}
{{- fail (printf "nameOverride, fullnameOverride: this release has StatefulSet %s, whose volume a StatefulSet %s would not find; install under the new name beside it, and let the old one drain" $ours.metadata.name $name) }}
{{- end }}
{{- if ne ($ours.spec.podManagementPolicy | default "OrderedReady") "Parallel" }}
{{- fail (printf "StatefulSet %s is from a chart before podManagementPolicy: Parallel, which an upgrade cannot change; kubectl delete statefulset %s --cascade=orphan, then upgrade again (docs/runbook.md, Changing the claim)" $ours.metadata.name $ours.metadata.name) }}
{{- end }}
{{- $claims := $ours.spec.volumeClaimTemplates | default list }}
{{- $own := and .Values.persistence.enabled (not .Values.persistence.existingClaim) }}
{{- if ne (not $claims) (not $own) }}
{{- fail "persistence: a StatefulSet cannot get or lose its claim, and its tasks would stay where they are; docs/runbook.md (Changing the claim) says how" }}
{{- end }}
{{- range $claims }}
{{- $class := $.Values.persistence.storageClass }}
{{- $live := .spec.resources.requests.storage }}
{{- /* The API server writes a quantity in its own way, 2048Mi as 2Gi. */}}
{{- $size := include "lastcall.mebibytes" $.Values.persistence.size }}
{{- if or (not (has (include "lastcall.mebibytes" $live) (list $size "0"))) (ne (toJson .spec.accessModes) (toJson $.Values.persistence.accessModes)) (and $class (ne $class (.spec.storageClassName | default ""))) (and (not $class) (hasKey .spec "storageClassName")) }}
{{- fail (printf "persistence: the size, class and access modes of a StatefulSet's claim cannot be changed by an upgrade (now %s, %s, %s); docs/runbook.md (Changing the claim) says how to enlarge it" $live (.spec.storageClassName | default "the default class") (join "," .spec.accessModes)) }}
{{- end }}
{{- end }}
{{- else if and (eq .Values.engine "embedded") (lookup "apps/v1" "Deployment" .Release.Namespace $name) }}
{{- fail (printf "engine: Deployment %s of this release has tasks in its Redis, which the embedded engine would not find; docs/runbook.md (Changing the engine) says how to move" $name) }}
{{- end }}
{{- end }}
{{- end }}
