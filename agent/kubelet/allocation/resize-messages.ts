/** The texts of the events of a resize. Pure. Source: upstream `pkg/kubelet/events/resize.go`. */
import { stringifyExact } from '#api/int64.ts';
import type { Container, Pod } from '#api/types.generated.ts';

/** Of a pod with thousands of containers nobody reads more, and each resize sends a few of these. (Upstream sends all.) */
const maxMessage = 16 * 1024;

/**
 * `Pod resize started: {"containers":[…],"generation":2}`.
 * @param what the beginning of the text
 * @param pod with the resources that it is about
 * @param generation that asked for the resize
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
