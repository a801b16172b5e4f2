/**
 * `npm run bench -- network-policy [policies] [pods]`: a node with so many pods (default 500), and as many on other nodes, under so many
 * policies (default 1000), in the real kernel, in a network namespace of its own: a full load, and what one change costs.
 */
import { TestNamespaces } from '#agent/host/namespaces.testing.ts';
import { compilePolicy } from '#agent/network-policy/compiled-policy.ts';
import { createPolicyTable } from '#agent/network-policy/nft.ts';
import { policyPod } from '#agent/network-policy/policy-pod.ts';
import { PolicyState } from '#agent/network-policy/policy-state.ts';
import { changeScript, fullScript, type PolicyRuleset } from '#agent/network-policy/ruleset.ts';
import type { NetworkPolicy, Pod } from '#api/types.generated.ts';

const [policyCount = 1000, podCount = 500] = process.argv.slice(3).map(Number);
const namespaceCount = 20;
const apps = 50;

const pod = (number: number, nodeName: string, app = number % apps): Pod =>
  ({
    metadata: { name: `pod${number}`, namespace: `ns${number % namespaceCount}`, uid: `${number}`, labels: { app: `app${app}` } },
    spec: { nodeName, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIPs: [{ ip: `10.${nodeName === 'node' ? 1 : 2}.${number >> 8}.${number & 255}` }] },
  }) as unknown as Pod;

const policy = (number: number): NetworkPolicy =>
  ({
    metadata: { name: `policy${number}`, namespace: `ns${number % namespaceCount}`, uid: `${number}`, resourceVersion: '1' },
    spec: {
      podSelector: { matchLabels: { app: `app${number % apps}` } },
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { app: `app${(number * 7) % apps}` } } },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': `ns${(number * 3) % namespaceCount}` } } },
            { ipBlock: { cidr: '192.168.0.0/16', except: ['192.168.7.0/24'] } },
          ],
          ports: [{ port: 'http' }, { port: 443 }],
        },
      ],
    },
  }) as unknown as NetworkPolicy;

const namespaces = new TestNamespaces('bpol');
const { exec } = await namespaces.add('node');
try {
  const table = createPolicyTable(exec);
  const state = new PolicyState('node');
  const timed = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const start = performance.now();
    const cpu = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(cpu);
    console.log(
      `${what.padEnd(56)} ${(performance.now() - start).toFixed(1).padStart(8)} ms, ${((user + system) / 1000).toFixed(1)} ms CPU of ours`,
    );
    return result;
  };
  await timed(`reading ${policyCount} policies, ${2 * podCount} pods`, () => {
    for (let at = 0; at < namespaceCount; at++) state.putNamespace(`ns${at}`, { 'kubernetes.io/metadata.name': `ns${at}` });
    for (let at = 0; at < policyCount; at++) state.putPolicy(compilePolicy(policy(at)));
    for (let at = 0; at < 2 * podCount; at++) state.putPod(policyPod(pod(at, at % 2 === 0 ? 'node' : 'other')));
  });
  let written: PolicyRuleset = await timed('rules of the node', () => state.ruleset());
  const full = await timed('text of a full load', () => fullScript(written));
  console.log(`  ${written.chains.size} chains, ${written.sets.size} sets, ${(full.length / 2 ** 20).toFixed(1)} MiB`);
  await timed('full load into the kernel', () => table.apply(full));
  const change = async (what: string, make: () => void): Promise<void> => {
    let size = 0;
    await timed(`${what}, to the kernel`, async () => {
      make();
      const now = state.ruleset();
      const { text, garbage } = changeScript(written, now);
      size = text.length;
      if (text !== '') await table.apply(text);
      if (garbage !== '') await table.apply(garbage);
      written = now;
    });
    console.log(`  ${size} bytes`);
  };
  const next = 2 * podCount;
  for (let round = 0; round < 3; round++) {
    await change('one more pod on another node', () => state.putPod(policyPod(pod(next + 1 + 2 * round, 'other'))));
    await change('one more pod on this node', () => state.putPod(policyPod(pod(next + 2 * round, 'node'))));
    await change('one more policy', () => state.putPolicy(compilePolicy(policy(policyCount + round))));
    await change('one pod less', () => state.removePod(`ns${(next + 2 * round) % namespaceCount}/pod${next + 2 * round}`));
  }
  await timed('is the table untouched?', () => table.read());
} finally {
  await namespaces.close();
}
