/**
 * Finds the container whose log was requested, from the pod's status. Pure. Source: upstream `pkg/kubelet/kubelet_pods.go`
 * (validateContainerLogStatus).
 */
import { findContainer } from '#api/pod/containers.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';

/**
 * The ID of the container whose log was requested, without its scheme. Pure.
 * @param previous whether the log of the container before the last restart was requested
 * @throws Error with upstream's message, when there is no such container or it has no log yet
 */
export function logContainerId(pod: Pod, status: PodStatus, container: string, previous: boolean): string {
  const podName = pod.metadata.name;
  const where = `container "${container}" in pod "${podName}"`;
  if (findContainer(pod, container) === undefined) throw new Error(`container ${container} is not valid for pod ${podName}`);
  const statuses = [
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ];
  const own = statuses.find(({ name }) => name === container);
  if (own === undefined) throw new Error(`${where} is not available`);
  const last = own.lastState?.terminated?.containerID;
  const { waiting, running, terminated } = own.state ?? {};
  const idOf = (id: string | undefined): string | undefined => id?.replace(/^[a-z-]+:\/\//, '');
  let id: string | undefined;
  if (previous) {
    id = idOf(last);
    if (id === undefined) throw new Error(`previous terminated ${where} not found`);
  } else if (running !== undefined) id = idOf(own.containerID);
  else if (terminated !== undefined) id = idOf(terminated.containerID) ?? idOf(last);
  else id = idOf(last);
  if (id !== undefined) return id;
  if (terminated !== undefined) throw new Error(`${where} is terminated`);
  const reasons: Record<string, string> = {
    ErrImagePull: "image can't be pulled",
    ImagePullBackOff: 'trying and failing to pull image',
  };
  const reason = waiting?.reason ?? '';
  throw new Error(`${where} is waiting to start${reason === '' ? ' - no logs yet' : `: ${reasons[reason] ?? reason}`}`);
}
