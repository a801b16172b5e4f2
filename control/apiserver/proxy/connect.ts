/**
 * Subresources that somebody else answers, as a kind's room declares them: the room says where to, `proxies.ts` goes there.
 *
 * Source: apiserver `pkg/registry/rest/rest.go` (Connecter), kubernetes `pkg/registry/core/pod/rest`.
 */
import type { Registry } from '../registry/registry.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { Resolve } from './address.ts';
import type { Location } from './location.ts';

/** What looking for the other side takes. */
export interface ConnectTools {
  registry: Registry;
  resolve: Resolve;
  /** A number in [0, 1). */
  random: () => number;
  /** `--kubelet-preferred-address-types`. Absent: kubeadm's. */
  addressTypes?: readonly string[] | undefined;
}

/** What a stream of a pod becomes on its kubelet. */
export interface KubeletTarget {
  nodeName: string;
  /** Path and query. */
  path: string;
}

/** The fields of the options object (`PodExecOptions`) that admission sees. Pure. */
type Options = (info: RequestInfo) => Record<string, unknown>;

/** Where a connect subresource leads, as a kind's room declares it. */
export type Connect =
  /** Text of a kubelet; over a WebSocket it becomes messages. No connect in the sense of admission. */
  | {
      to: 'log';
      /** undefined: there is nothing yet. @throws ApiError */
      target(info: RequestInfo, tools: ConnectTools): Promise<KubeletTarget | undefined>;
    }
  /** A kubelet, over an upgraded connection only. */
  | {
      to: 'stream';
      options: Options;
      /** @throws ApiError */
      target(info: RequestInfo, tools: ConnectTools): Promise<KubeletTarget>;
    }
  /** A server of HTTP; requests go there with their bodies, and upgraded connections. */
  | {
      to: 'proxy';
      options: Options;
      /** @throws ApiError */
      location(info: RequestInfo, tools: ConnectTools): Promise<Location>;
    };

/** The verbs that discovery lists. Pure. */
export function connectVerbs({ to }: Connect): readonly string[] {
  if (to === 'log') return ['get'];
  return to === 'stream' ? ['create', 'get'] : ['create', 'delete', 'get', 'patch', 'update'];
}

/** A proxy to what `location` finds. */
export const proxyConnect = (location: (info: RequestInfo, tools: ConnectTools) => Promise<Location>): Connect => ({
  to: 'proxy',
  options: ({ rest }) => ({ path: rest.length === 0 ? '' : `/${rest.join('/')}` }),
  location,
});
