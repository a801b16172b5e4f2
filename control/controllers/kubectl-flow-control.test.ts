/** What kubectl says of FlowSchemas, PriorityLevelConfigurations and ComponentStatuses. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ensureFlowControl } from '#control/apiserver/flowcontrol/ensure-objects.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { type Kubectl, startKubectl } from './kubectl.testing.ts';

const manifest = `
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: slow}
spec: {type: Limited, limited: {nominalConcurrencyShares: 2, limitResponse: {type: Queue, queuing: {queues: 8}}}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: slow}
spec:
  priorityLevelConfiguration: {name: slow}
  matchingPrecedence: 50
  rules:
  - subjects: [{kind: Group, group: {name: crawlers}}]
    resourceRules: [{verbs: [list], apiGroups: ["*"], resources: ["*"], namespaces: ["*"]}]
`;

describe('kubectl', () => {
  let world: World;
  let tool: Kubectl;
  before(async () => {
    world = await startWorld();
    tool = await startKubectl(world);
    await ensureFlowControl(world.client);
  });
  after(async () => {
    await tool.stop();
    await world.stop();
  });
  const kubectl = (args: string, stdin?: string): Promise<string> => tool.run(args, stdin);

  it('shows how the parts of the control plane are', async () => {
    const text = await kubectl('get cs');
    assert.match(text, /Warning: v1 ComponentStatus is deprecated in v1\.19\+/);
    assert.match(text, /NAME +STATUS +MESSAGE +ERROR *\netcd-0 +Healthy +ok/);
    assert.match(await kubectl('describe componentstatus etcd-0'), /Type: +Healthy/);
    assert.match(await kubectl('explain componentstatus.conditions'), /message/);
  });

  it('makes, shows, describes and explains them', async () => {
    assert.match(
      await kubectl('create -f -', manifest),
      /prioritylevelconfiguration.*\/slow created\nflowschema.*\/slow created/,
    );
    assert.match(
      await kubectl('get flowschemas'),
      /NAME +PRIORITYLEVEL +MATCHINGPRECEDENCE +DISTINGUISHERMETHOD +AGE +MISSINGPL\nexempt +exempt +1 +<none> [^]*\nslow +slow +50 +<none> [^]*\ncatch-all +catch-all +10000 +ByUser /,
    );
    const levels = await kubectl('get prioritylevelconfigurations');
    assert.match(levels, /NAME +TYPE +NOMINALCONCURRENCYSHARES +QUEUES +HANDSIZE +QUEUELENGTHLIMIT +AGE\n/);
    assert.match(levels, /\nexempt +Exempt +<none> +<none> +<none> +<none> /);
    assert.match(levels, /\nslow +Limited +2 +8 +8 +50 /);
    assert.match(await kubectl('describe flowschema slow'), /Matching Precedence: +50[^]*Name: +crawlers/);
    assert.match(await kubectl('explain flowschema.spec.rules.subjects'), /serviceAccount/);
    assert.match(await kubectl('explain prioritylevelconfiguration.spec.limited'), /lendablePercent/);
    assert.match(await kubectl('delete prioritylevelconfiguration,flowschema slow'), /"slow" deleted/);
  });
});
