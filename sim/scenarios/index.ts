/** All scenarios, and which of them a world has. */
import type { Random } from '../random.ts';
import { cron, jobs } from './batch.ts';
import { daemons, namespaces, owners, quota } from './housekeeping.ts';
import { drains, rollouts } from './rollouts.ts';
import type { ScenarioOf } from './scenario.ts';
import { stateful } from './stateful.ts';

const all: readonly ScenarioOf[] = [
  rollouts,
  rollouts,
  drains,
  stateful,
  stateful,
  jobs,
  jobs,
  cron,
  owners,
  owners,
  quota,
  daemons,
  namespaces,
];

/** One or two for a world. Each has a namespace of its own. */
export function chooseScenarios(random: Random): ScenarioOf[] {
  const first = random.pick(all);
  const second = random.pick(all);
  return first === second || random.chance(0.4) ? [first] : [first, second];
}
