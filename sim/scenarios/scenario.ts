/** A part of a world: objects in a namespace of their own, and what users do with them during the faults. */
import type { User } from './user.ts';

export interface Scenario {
  setUp(user: User): Promise<void>;
  /** Possible actions of users. Each world runs some of them in random order, with repetitions. */
  acts: readonly ((user: User) => Promise<void>)[];
}

/** Makes the scenario of one world, whose sizes its random decides. */
export type ScenarioOf = (user: User) => Scenario;
