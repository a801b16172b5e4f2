/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const metric = { name: 'requests', selector: { matchLabels: { verb: 'GET' } } };
const policies = [{ type: 'Pods', value: 4, periodSeconds: 60 }];

export const samples = {
  'horizontalpodautoscalers.autoscaling': {
    spec: {
      scaleTargetRef,
      minReplicas: 2,
      maxReplicas: 5,
      metrics: [
        { type: 'Object', object: { describedObject: scaleTargetRef, metric, target: { type: 'Value', value: '10' } } },
        { type: 'External', external: { metric, target: { type: 'AverageValue', averageValue: '5' } } },
        { type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '5' } } },
        {
          type: 'ContainerResource',
          containerResource: { name: 'memory', container: 'app', target: { type: 'AverageValue', averageValue: '1Gi' } },
        },
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
      ],
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 10, selectPolicy: 'Min', policies, tolerance: '50m' },
        scaleDown: { selectPolicy: 'Disabled', policies },
      },
    },
    status: {
      currentReplicas: 2,
      desiredReplicas: 3,
      observedGeneration: 1,
      lastScaleTime: '2026-01-01T00:00:00Z',
      currentMetrics: [
        { type: 'Object', object: { describedObject: scaleTargetRef, metric, current: { value: '7' } } },
        { type: 'External', external: { metric, current: { averageValue: '3' } } },
        { type: 'Pods', pods: { metric, current: { averageValue: '3' } } },
        { type: 'ContainerResource', containerResource: { name: 'memory', container: 'app', current: { averageValue: '1Gi' } } },
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12, averageValue: '12m' } } },
      ],
      conditions: [
        { type: 'AbleToScale', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Ready', message: 'ready' },
      ],
    },
  },
  'horizontalpodautoscalers.v1.autoscaling': {
    spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 60 },
    status: {
      currentReplicas: 2,
      desiredReplicas: 3,
      observedGeneration: 1,
      lastScaleTime: '2026-01-01T00:00:00Z',
      currentCPUUtilizationPercentage: 12,
    },
  },
};
