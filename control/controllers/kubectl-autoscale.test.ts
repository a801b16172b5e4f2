/** What kubectl says of HorizontalPodAutoscalers, in both versions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kubectlForTests } from './kubectl.testing.ts';

const manifest = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: queue, namespace: default}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 4
  metrics:
  - {type: Pods, pods: {metric: {name: jobs}, target: {type: AverageValue, averageValue: "10"}}}
  behavior: {scaleDown: {selectPolicy: Disabled}}
`;

describe('kubectl', () => {
  const { kubectl } = kubectlForTests();

  it('autoscales, and shows autoscalers in both versions', async () => {
    assert.match(await kubectl('create deployment web --image=web:1'), /deployment.apps\/web created/);
    assert.match(
      await kubectl('autoscale deployment web --min=2 --max=6 --cpu-percent=70'),
      /horizontalpodautoscaler\.autoscaling\/web autoscaled/,
    );
    assert.match(await kubectl('create -f -', manifest), /queue created/);
    const table = await kubectl('get hpa');
    assert.match(table, /NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE/);
    assert.match(table, /queue +Deployment\/web +<unknown>\/10 +1 +4 +\d/);
    assert.match(table, /web +Deployment\/web +cpu: <unknown>\/70% +2 +6 +\d/);
    assert.match(await kubectl('get all'), /horizontalpodautoscaler\.autoscaling\/web/);
    const old = await kubectl('get horizontalpodautoscalers.v1.autoscaling queue -o yaml');
    assert.match(old, /apiVersion: autoscaling\/v1/);
    assert.match(
      old,
      /autoscaling\.alpha\.kubernetes\.io\/metrics: '\[\{"type":"Pods","pods":\{"metricName":"jobs","targetAverageValue":"10"\}\}\]'/,
    );
    const described = await kubectl('describe hpa queue');
    assert.match(described, /"jobs" on pods: +<unknown> \/ 10/);
    assert.match(described, /Select Policy: Disabled/);
  });

  it('explains both versions', async () => {
    assert.match(await kubectl('explain hpa.spec.metrics'), /VERSION: +v2[^]*containerResource/);
    assert.match(
      await kubectl('explain hpa.spec --api-version=autoscaling/v1'),
      /VERSION: +v1[^]*targetCPUUtilizationPercentage/,
    );
  });

  it('changes them in both versions', async () => {
    const old = manifest
      .replace(/autoscaling\/v2/, 'autoscaling/v1')
      .replace(/ {2}metrics:[^]*$/, '  targetCPUUtilizationPercentage: 55\n')
      .replace('queue', 'old');
    assert.match(await kubectl('apply -f -', old), /old created/);
    assert.match(await kubectl('apply -f -', old.replace('55', '65')), /old configured/);
    assert.match(await kubectl('apply --server-side --force-conflicts -f -', old.replace('55', '75')), /old serverside-applied/);
    assert.match(await kubectl('get hpa old'), /cpu: <unknown>\/75%/);
    assert.match(await kubectl('patch hpa old -p {"spec":{"maxReplicas":9}}'), /old patched/);
    assert.match(await kubectl('delete hpa old queue web'), /"web" deleted/);
  });
});
