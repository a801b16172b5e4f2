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
    const found: Secret[] = [];
    const missing: string[] = [];
    // One after the other: a pod may name thousands.
    for (const { name = '' } of pod.spec.imagePullSecrets ?? []) {
      try {
        found.push(await deps.objects.secret(pod.metadata.namespace ?? '', name));
      } catch {
        missing.push(name); // Reported below, in one event.
      }
    }
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      deps.events.event(podReference(pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return found;
  };
}
