/** A part of a world: some objects in a namespace of their own, and what users do with them while things go wrong. */
import type { User } from './user.ts';

export interface Scenario {
  setUp(user: User): Promise<void>;
  /** What may be done with it. Each world does a few of them, in an order of its own; one may be done several times. */
  acts: readonly ((user: User) => Promise<void>)[];
}

/** Makes the scenario of one world, whose sizes its random decides. */
export type ScenarioOf = (user: User) => Scenario;
