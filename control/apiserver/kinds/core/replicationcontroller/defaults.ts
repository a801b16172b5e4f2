/** What the API promises for absent fields of a ReplicationController. Source: upstream `pkg/apis/core/v1/defaults.go`. */
import type { ReplicationController, ReplicationControllerSpec } from '#api/types.generated.ts';

/**
 * Sets the defaults, in place; those of the pod template are set afterwards. Selector and labels default to the template's
 * labels.
 */
export function setReplicationControllerDefaults(controller: ReplicationController): void {
  controller.spec ??= {} as ReplicationControllerSpec;
  const { spec, metadata } = controller;
  spec.replicas ??= 1;
  const labels = spec.template?.metadata?.labels;
  if (labels === undefined || labels === null) return;
  if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
  if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
}
