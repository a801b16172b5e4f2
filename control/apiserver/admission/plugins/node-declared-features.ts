/**
 * NodeDeclaredFeatureValidator: refuses changes of a pod that need features which its node's kubelet does not declare
 * (`status.declaredFeatures`).
 *
 * Source: upstream `plugin/pkg/admission/nodedeclaredfeatures`, component-helpers `nodedeclaredfeatures/features`; KEP-5328.
 */
import { isSidecar } from '#api/pod/containers.ts';
import type { Node, Pod, PodSpec } from '#api/types.generated.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import { type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** Features that an update may need, sorted by name, and whether it needs them. */
const features: readonly { name: string; isNeeded(spec: PodSpec, old: PodSpec): boolean }[] = [
  {
    name: 'InPlacePodLevelResourcesVerticalScaling',
    isNeeded: ({ resources }, { resources: old }) => !semanticEqual(resources, old),
  },
  {
    name: 'InPlacePodVerticalScalingInitContainers',
    isNeeded: ({ initContainers = [] }, { initContainers: olds = [] }) =>
      olds.some((old, index) => !isSidecar(old) && !semanticEqual(old.resources, initContainers[index]?.resources)),
  },
];

/** @throws (when asked) ApiError 403 */
export const nodeDeclaredFeatureValidator = (): AdmissionPlugin => ({
  name: 'NodeDeclaredFeatureValidator',
  handles: (operation) => operation === 'update',

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'pods') && !concerns(attributes, '', 'pods', 'resize')) return;
    const [pod, old] = [attributes.object, attributes.oldObject] as [Pod, Pod];
    const nodeName = pod.spec.nodeName ?? '';
    // The generation changes with the spec.
    if (nodeName === '' || old.metadata.generation === pod.metadata.generation) return;
    const needed = features.filter(({ isNeeded }) => isNeeded(pod.spec, old.spec)).map(({ name }) => name);
    if (needed.length === 0) return;
    const node = (await context.read('nodes', undefined, nodeName)) as Node | undefined;
    if (node === undefined) throw admissionForbidden(attributes, `node ${JSON.stringify(nodeName)} not found`);
    const missing = needed.filter((name) => node.status?.declaredFeatures?.includes(name) !== true);
    if (missing.length === 0) return;
    const which = `${missing.join(', ')} which are not available on node ${JSON.stringify(nodeName)}`;
    throw admissionForbidden(attributes, `pod update requires features ${which}`);
  },
});
