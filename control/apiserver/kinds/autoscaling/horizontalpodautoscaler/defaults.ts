/** Defaults of autoscaling/v2. Source: upstream `pkg/apis/autoscaling/v2/defaults.go`. */
import type { HPAScalingRules, AutoscalingV2HorizontalPodAutoscaler as V2 } from '#api/types.generated.ts';
import { defaultMetrics, dropRoundTrip } from './conversion.ts';

const periodSeconds = 15;

/** Upstream's default for scaling up: at most twice the pods, or four more, every 15 seconds. */
const scaleUp = (): HPAScalingRules => ({
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds },
    { type: 'Percent', value: 100, periodSeconds },
  ],
});

/**
 * Upstream's default for scaling down: all pods at once. How long the controller waits before that is a flag of the controller.
 */
const scaleDown = (): HPAScalingRules => ({
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds }],
});

/** An empty list of policies is not completed: validation refuses it. */
function completed(rules: HPAScalingRules | undefined, defaults: HPAScalingRules): HPAScalingRules {
  const set = Object.entries(rules ?? {}).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) };
}

/** Sets the defaults of v2, in place. Annotations that hold fields of v1 have no meaning in v2 and are dropped. */
export function setAutoscalerDefaults(object: V2): void {
  object.spec ??= {} as V2['spec'];
  const { spec } = object;
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0) spec.metrics = defaultMetrics();
  if (spec.behavior !== undefined)
    spec.behavior = {
      scaleUp: completed(spec.behavior.scaleUp, scaleUp()),
      scaleDown: completed(spec.behavior.scaleDown, scaleDown()),
    };
  dropRoundTrip(object.metadata);
}
