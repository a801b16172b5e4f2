/** Metrics of the pods that ReplicaSets delete at a scale-down. Source: kubernetes `pkg/controller/replicaset/metrics`. */
import { exponentialBuckets, Histogram, type Metric } from 'prom-client';
import { controllerOf } from '#api/meta.ts';
import { isPodReady, podCondition } from '#api/pod/conditions.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { follow } from './since.ts';

/** Compares the pods that a scale-down removes with the youngest ones. */
export class ScaleDownMonitor implements Monitor {
  readonly #ratios = new Histogram({
    name: 'replicaset_controller_sorting_deletion_age_ratio',
    help: "The ratio of chosen deleted pod's ages to the current youngest pod's age (at the time). Should be <2. The intent of this metric is to measure the rough efficacy of the LogarithmicScaleDown feature gate's effect on the sorting (and deletion) of pods when a replicaset scales down. This only considers Ready pods when calculating and reporting.",
    buckets: exponentialBuckets(0.25, 2, 6),
    registers: [],
  });

  get metrics(): readonly Metric[] {
    return [this.#ratios];
  }

  observe(deps: MonitorDeps): () => void {
    const { informers, clock } = deps;
    return follow(deps, 'pods', {
      updated: (pod, previous) => {
        const isNew = pod.metadata.deletionTimestamp !== undefined && previous.metadata.deletionTimestamp === undefined;
        const owner = controllerOf(pod);
        if (!isNew || owner?.kind !== 'ReplicaSet' || !isPodReady(previous)) return;
        const set = informers.cache('replicasets.apps').get(`${pod.metadata.namespace ?? ''}/${owner.name}`);
        const ready = informers
          .cache('pods')
          .ownedBy({ metadata: { uid: owner.uid } })
          .filter(isPodReady);
        // The set does not have too many pods, so another client deleted this one.
        if (set === undefined || ready.length <= (set.spec.replicas ?? 1)) return;
        const youngestMs = Math.max(...ready.map(readySinceMs));
        if (clock.now() > youngestMs) this.#ratios.observe((clock.now() - readySinceMs(previous)) / (clock.now() - youngestMs));
      },
    });
  }
}

const readySinceMs = (pod: Pod): number => Date.parse(podCondition(pod, 'Ready')?.lastTransitionTime ?? '') || 0;
