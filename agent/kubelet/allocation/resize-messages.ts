/** The texts of the events of a resize. Pure. Source: upstream `pkg/kubelet/events/resize.go`. */
import { stringifyExact } from '#api/int64.ts';
import type { Container, Pod } from '#api/types.generated.ts';

/**
 * Limit of a message in characters: a pod may have thousands of containers, and each resize sends several events. Upstream has no limit.
 */
const maxMessage = 16 * 1024;

/**
 * `Pod resize started: {"containers":[…],"generation":2}`.
 * @param what the first words of the message
 * @param pod with the resources that the message lists
 * @param generation the pod's generation that requested the resize
 */
export function resizeMessage(what: string, { spec }: Pod, generation: number | undefined, error = ''): string {
  const summary = (containers: readonly Container[]): object[] =>
    containers.map(({ name, resources: { limits, requests, claims } = {} }) => ({
      name,
      resources: { ...(limits && { limits }), ...(requests && { requests }), ...(claims && { claims }) },
    }));
  const init = spec.initContainers ?? [];
  const text = stringifyExact({
    ...(init.length === 0 ? {} : { initContainers: summary(init) }),
    containers: summary(spec.containers),
    ...(generation === undefined ? {} : { generation }),
    ...(error === '' ? {} : { error }),
  });
  const message = `${what}: ${text}`;
  return message.length <= maxMessage ? message : `${message.slice(0, maxMessage - 3)}...`;
}
