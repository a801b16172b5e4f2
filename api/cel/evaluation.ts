/** One evaluation of a compiled expression: its variables, its cost, and the errors that an expression may ignore. */
import { CelCostError, CelError, type Value } from './values.ts';

/** The values of the variables. */
export interface Activation {
  /** @returns undefined when there is no such variable */
  get(name: string): Value | undefined;
}

/** The state of one evaluation. */
export class Frame {
  readonly variables: Activation;
  readonly #limit: number;
  /** The cost so far, in upstream's units of about 50 ns. */
  cost = 0;
  /** Loop variables by depth. An accumulator may hold an error. */
  readonly locals: (Value | CelError)[] = [];

  /** @param limit of the cost */
  constructor(variables: Activation, limit: number) {
    this.variables = variables;
    this.#limit = limit;
  }

  /** @throws CelCostError */
  charge(cost: number): void {
    this.cost += cost;
    if (this.cost > this.#limit) throw new CelCostError();
  }
}

/** @throws CelError */
export type Evaluate = (frame: Frame) => Value;

/** The result of an evaluation, or its error if the caller may ignore it. @throws any other error */
export function settled(evaluate: Evaluate, frame: Frame): Value | CelError {
  try {
    return evaluate(frame);
  } catch (error) {
    return absorbable(error);
  }
}

/** Returns an evaluation error that `&&`, `||` or a quantifier may ignore. @throws any other error */
export function absorbable(error: unknown): CelError {
  if (error instanceof CelError && !(error instanceof CelCostError)) return error;
  throw error;
}
