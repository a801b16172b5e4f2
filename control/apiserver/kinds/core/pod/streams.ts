/**
 * What a kubelet is asked for when a client wants a pod's logs, exec, attach or port-forward.
 *
 * Source: kubernetes `pkg/registry/core/pod/strategy.go` (LogLocation, streamLocation), `pkg/registry/core/pod/rest/{log,subresources}.go`.
 */
import { validatePodLogOptions } from '#api/pod-log-options.ts';
import { type QueryOptions, readQueryOptions } from '#api/query-options.ts';
import { badRequest, invalid } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import type { ConnectTools, KubeletTarget } from '../../../proxy/connect.ts';
import type { Registry } from '../../../registry/registry.ts';
import type { RequestInfo } from '../../../rest/request-info.ts';

/** The kubelet request for a pod's logs. undefined: the pod is on no node yet, so there are no logs. @throws ApiError */
export async function logTarget(info: RequestInfo, { registry }: ConnectTools): Promise<KubeletTarget | undefined> {
  const options = readQueryOptions('PodLogOptions', info.query);
  checkLogOptions(options, info.name);
  const pod = await podOf(info, registry);
  const container = containerOf(pod, options.container);
  const nodeName = pod.spec?.nodeName ?? '';
  if (nodeName === '') return undefined;
  return { nodeName, path: `/containerLogs/${info.namespace}/${info.name}/${container}?${logQuery(options).toString()}` };
}

async function podOf(info: RequestInfo, registry: Registry): Promise<Pod> {
  return (await registry.get(registry.resource('pods'), info)).object as Pod;
}

/** The container that the client names; else the only one; else the one that the pod's annotation names. @throws ApiError 400 */
function containerOf(pod: Pod, asked: string): string {
  const names = (list: readonly { name: string }[] | undefined): string[] => (list ?? []).map(({ name }) => name);
  const containers = names(pod.spec?.containers);
  const init = names(pod.spec?.initContainers);
  const ephemeral = names(pod.spec?.ephemeralContainers);
  const all = [...containers, ...init, ...ephemeral];
  const { name } = pod.metadata;
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (preferred !== undefined && all.includes(preferred)) return preferred;
  if (containers.length === 1 && containers[0] !== undefined) return containers[0];
  const alternatives = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${alternatives}`);
}

/** @throws ApiError 422 */
function checkLogOptions(options: QueryOptions<'PodLogOptions'>, podName: string): void {
  const problems = validatePodLogOptions(options);
  if (problems.length > 0) throw invalid({ group: '', name: 'PodLogOptions' }, podName, problems);
}

/** What the kubelet is asked (`LogLocation`): numbers and times in their shortest form, booleans only where they are true. */
function logQuery(options: QueryOptions<'PodLogOptions'>): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps'] as const) if (options[name]) query.set(name, 'true');
  for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, String(value));
  }
  query.set('stream', options.stream ?? 'All');
  return query;
}

/** What the kubelet of the pod's node is asked for exec, attach and port-forward. @throws ApiError */
export async function streamTarget(info: RequestInfo, { registry }: ConnectTools): Promise<KubeletTarget> {
  const query = new URLSearchParams();
  let asked: string | undefined;
  if (info.subresource === 'portforward') {
    const { ports } = readQueryOptions('PodPortForwardOptions', info.query);
    if (ports.length > 0) query.set('port', ports.join(','));
  } else {
    const options = readQueryOptions('PodExecOptions', info.query);
    asked = options.container;
    // Some of the kubelet's parameters have other names than the API server's.
    for (const [ours, theirs] of streamNames) if (options[ours]) query.set(theirs, '1');
    if (info.subresource === 'exec') for (const part of options.command) query.append('command', part);
  }
  const pod = await podOf(info, registry);
  const nodeName = pod.spec?.nodeName ?? '';
  const path =
    asked === undefined
      ? `/portForward/${info.namespace}/${info.name}`
      : `/${info.subresource}/${info.namespace}/${info.name}/${containerOf(pod, asked)}`;
  if (nodeName === '') throw badRequest(`pod ${info.name} does not have a host assigned`);
  return { nodeName, path: `${path}?${query.toString()}` };
}

const streamNames = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
] as const;
