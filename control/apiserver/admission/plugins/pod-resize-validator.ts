/**
 * PodResizeValidator: a pod may be resized only within the capacity of its node, and only on Linux.
 *
 * Source: upstream `plugin/pkg/admission/podresize`.
 */
import { osLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import { amount, amountOf, podRequests } from '#api/pod/requests.ts';
import { type ApiError, failure } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** @throws (when asked) ApiError 403, with the cause `NodeCapacity` or `UnsupportedPlatform` */
export const podResizeValidator = (): AdmissionPlugin => ({
  name: 'PodResizeValidator',
  handles: (operation) => operation === 'update',

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'pods', 'resize')) return;
    const pod = attributes.object as Pod;
    const nodeName = pod.spec.nodeName ?? '';
    // The generation changes with the spec.
    if (nodeName === '' || attributes.oldObject?.metadata.generation === pod.metadata.generation) return;
    const node = (await context.read('nodes', undefined, nodeName)) as Node | undefined;
    if (node === undefined) throw admissionForbidden(attributes, `node ${JSON.stringify(nodeName)} not found`);
    const os = ownValue(node.metadata.labels ?? {}, osLabel) ?? 'linux';
    if (os !== 'linux') {
      const why = `pod resize is only supported on linux nodes, node ${JSON.stringify(nodeName)} is ${JSON.stringify(os)}`;
      throw refusal(attributes, why, 'UnsupportedPlatform');
    }
    const missing = missingResources(pod, node);
    if (missing === '') return;
    throw refusal(attributes, `node didn't have enough allocatable resources: ${missing}`, 'NodeCapacity');
  },
});

/** The requests that exceed the node's allocatable resources, as text; '' if there are none. */
function missingResources(pod: Pod, { status }: Node): string {
  const requests = podRequests({ spec: pod.spec });
  return ['cpu', 'memory']
    .flatMap((name) => {
      const [requested, allocatable] = [amountOf(requests, name), amount(name, status?.allocatable?.[name])];
      return requested > allocatable ? [`${name}, requested: ${int64(requested)}, allocatable: ${int64(allocatable)}`] : [];
    })
    .join('; ');
}

const maxInt64 = 2n ** 63n - 1n;

/** As Go prints it: without an exponent, and at most the largest int64. */
const int64 = (value: number): bigint => (value >= 2 ** 63 ? maxInt64 : BigInt(Math.ceil(value)));

function refusal(attributes: AdmissionAttributes, why: string, cause: string): ApiError {
  const { code, reason, message, status } = admissionForbidden(attributes, why);
  return failure(code, reason, message, { ...status.details, causes: [...(status.details?.causes ?? []), { reason: cause }] });
}
