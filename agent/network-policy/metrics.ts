/** Metrics of the network policies of this node. Upstream has none, as its CNI plugins enforce policies; these are our own. */
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import type { PolicyState } from './policy-state.ts';

const syncSeconds = new Histogram({
  name: 'tinkernetes_network_policy_sync_duration_seconds',
  help: 'Time that it took to bring the rules of network policies into the kernel.',
  buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
  registers: [],
});
const failures = new Counter({
  name: 'tinkernetes_network_policy_sync_failures_total',
  help: 'How often the rules of network policies could not be brought into the kernel.',
  registers: [],
});
const policies = new Gauge({
  name: 'tinkernetes_network_policies',
  help: 'Network policies of the cluster.',
  registers: [],
});
const isolatedPods = new Gauge({
  name: 'tinkernetes_network_policy_isolated_pods',
  help: 'Pods of this node that a network policy selects.',
  registers: [],
});

/** To be shown with the agent's other metrics. */
export const networkPolicyMetrics: readonly Metric[] = [syncSeconds, failures, policies, isolatedPods];

/** Notes one attempt to write the rules. */
export function recordSync(sync: { seconds: number; isWritten: boolean; state: PolicyState }): void {
  syncSeconds.observe(sync.seconds);
  if (!sync.isWritten) failures.inc();
  policies.set(sync.state.policyCount);
  isolatedPods.set(sync.state.isolatedCount);
}
