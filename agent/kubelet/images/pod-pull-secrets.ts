/** The Secrets that a pod names for its image pulls. Source: upstream `pkg/kubelet/kubelet_pods.go` (getPullSecretsForPod). */
import type { Pod, Secret } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { ReferencedObjects } from '../container/env.ts';
import { podReference } from '../pod/kill-containers.ts';

/** A function that reads a pod's pull secrets. A Secret that cannot be read is left out, and an event on the pod names it. */
export function createPodPullSecrets(deps: {
  objects: Pick<ReferencedObjects, 'secret'>;
  events: EventRecorder;
}): (pod: Pod) => Promise<readonly Secret[]> {
  return async (pod) => {
    const names = (pod.spec.imagePullSecrets ?? []).map(({ name = '' }) => name);
    const found = await Promise.allSettled(names.map((name) => deps.objects.secret(pod.metadata.namespace ?? '', name)));
    const missing = names.filter((_, index) => found[index]?.status === 'rejected');
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      deps.events.event(podReference(pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  };
}
