/** The subresources of pods, besides `status`. */
import { readQueryOptions } from '#api/query-options.ts';
import { type Connect, proxyConnect } from '../../../proxy/connect.ts';
import type { ServedSubresource } from '../../../rest/exchange.ts';
import { handleGet } from '../../../rest/read-handlers.ts';
import type { RequestInfo } from '../../../rest/request-info.ts';
import { partSubresource } from '../../part-subresource.ts';
import { createBinding } from './binding.ts';
import { writeEphemeralContainers } from './ephemeral-containers.ts';
import { createEviction } from './eviction.ts';
import { podLocation } from './proxy.ts';
import { logTarget, streamTarget } from './streams.ts';

const core = (kind: string) => ({ group: '', version: 'v1', kind });

/** @param fields of the options that the subresource has */
const stream = (options: (info: RequestInfo) => Record<string, unknown>): Connect => ({
  to: 'stream',
  options,
  target: streamTarget,
});

/** The parameters of exec; attach has a part of them. */
function execOptions({ query }: RequestInfo) {
  return readQueryOptions('PodExecOptions', query);
}

/**
 * All subresources of pods but `status`: those written by handlers of this room, and those passed on to a kubelet or to the pod.
 */
export const podSubresources: Readonly<Record<string, ServedSubresource>> = {
  attach: {
    carries: core('PodAttachOptions'),
    connect: stream((info) => {
      const { command: _, ...options } = execOptions(info);
      return options;
    }),
  },
  binding: { carries: core('Binding'), handlers: { create: (exchange) => createBinding(exchange) } },
  ephemeralcontainers: { handlers: { get: handleGet, update: writeEphemeralContainers, patch: writeEphemeralContainers } },
  eviction: { carries: { group: 'policy', version: 'v1', kind: 'Eviction' }, handlers: { create: createEviction } },
  exec: { carries: core('PodExecOptions'), connect: stream(execOptions) },
  log: { connect: { to: 'log', target: logTarget } },
  portforward: {
    carries: core('PodPortForwardOptions'),
    connect: stream(({ query }) => readQueryOptions('PodPortForwardOptions', query)),
  },
  proxy: { carries: core('PodProxyOptions'), connect: proxyConnect(podLocation) },
  resize: partSubresource('resize'),
};
