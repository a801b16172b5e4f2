/** All scenarios, and the choice for each world. */
import { createRandom } from '../random.ts';
import { cron, jobs } from './batch.ts';
import { daemons, namespaces, owners, quota } from './housekeeping.ts';
import { drains, rollouts, tight } from './rollouts.ts';
import type { Scenario, ScenarioOf } from './scenario.ts';
import { stateful } from './stateful.ts';
import type { User } from './user.ts';

const scenarios = { rollouts, drains, stateful, jobs, cron, owners, quota, daemons, namespaces, tight } satisfies Record<
  string,
  ScenarioOf
>;

/** A scenario's name. */
export type ScenarioName = keyof typeof scenarios;

/** Scenarios with more possible problems occur more often. */
const drawn: readonly ScenarioName[] = [
  ...(['rollouts', 'rollouts', 'stateful', 'stateful', 'jobs', 'jobs', 'owners', 'owners'] as const),
  ...(['drains', 'cron', 'quota', 'daemons', 'namespaces', 'tight'] as const),
];

/** The scenarios of the world of a seed: one or two, each in a namespace of its own. `tight` fills all nodes, so it runs alone. */
export function scenariosOf(seed: string): ScenarioName[] {
  const random = createRandom(`${seed}/scenarios`);
  const [first, second] = [random.pick(drawn), random.pick(drawn)];
  const isOne = first === second || first === 'tight' || second === 'tight' || random.chance(0.4);
  return isOne ? [first] : [first, second];
}

/** Makes a scenario for its user. */
export const createScenario = (name: ScenarioName, user: User): Scenario => scenarios[name](user);
