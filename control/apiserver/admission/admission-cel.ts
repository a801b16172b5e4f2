/**
 * The evaluation of CEL expressions in admission and their variables: match conditions of webhooks and policies, and all expressions of
 * policies.
 *
 * Source: apiserver `pkg/admission/plugin/cel/activation.go`, `condition.go`, `composition.go`; `pkg/apis/cel/config.go`.
 */

import { type Compiled, type ComposedVariables, requestType } from '#api/cel/admission-environments.ts';
import { perCallLimit } from '#api/cel/environment.ts';
import type { Activation } from '#api/cel/evaluation.ts';
import { fromJson } from '#api/cel/json-values.ts';
import {
  type AccessCheck,
  type AccessDecision,
  AuthorizerValue,
  evaluateWithChecks,
  requestResourceCheck,
} from '#api/cel/library/authorizer.ts';
import { CelError, MapValue, type Value } from '#api/cel/values.ts';
import { errorText } from '#api/error-text.ts';
import { parseFieldSelector, SelectorError } from '#api/selector.ts';
import { letOthersIn } from '#client/turns.ts';
import type { AuthorizationAttributes, Authorizer } from '../authorization/authorization.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { AdmissionRequest } from './admission-request.ts';

/** The cost limit of all expressions of one binding of a policy, except its match conditions: about a second of cel-go. */
export const policyBudget = 10_000_000;
/** The cost limit of all match conditions of one webhook or policy. */
export const matchConditionsBudget = 2_500_000;
/** After this cost (some 10 ms), evaluation yields to other work. */
const turnCost = 200_000;

/** The maximum depth of variables that refer to other variables: each level takes stack. */
const maxDepth = 200;

/** The cost limit is exceeded. No further expressions are evaluated. */
export class OutOfBudgetError extends Error {
  override name = 'OutOfBudgetError';
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

/** The authorizer with the request's user. Each check is made only once. */
export class RequestAccess {
  readonly #user: UserInfo;
  readonly #authorizer: Authorizer | undefined;
  readonly known = new Map<string, AccessDecision>();

  constructor(user: UserInfo, authorizer: Authorizer | undefined) {
    this.#user = user;
    this.#authorizer = authorizer;
  }

  async ask(check: AccessCheck): Promise<AccessDecision> {
    if (this.#authorizer === undefined) return { allowed: true, reason: '' };
    try {
      const { allowed, reason } = await this.#authorizer.authorize(attributesOf(check, this.#user));
      return { allowed, reason };
    } catch (error) {
      return { allowed: false, reason: '', error: errorText(error) };
    }
  }
}

/** The variables besides the request. Absent: the variable does not exist, or is null if it is declared. */
export interface Bindings {
  /** The object that parameterizes a policy. */
  params?: unknown;
  namespaceObject?: unknown;
  variables?: ComposedVariables | undefined;
}

/** The result of an expression. */
export type Evaluated = { value: Value; problem?: undefined } | { value?: undefined; problem: string };

/** Evaluates the expressions about one request in sequence, within one cost budget. Each variable is evaluated once. */
export class RequestEvaluation {
  readonly #access: RequestAccess;
  readonly #activation: RequestActivation;
  #left: number;
  #sinceTurn = 0;

  constructor(request: AdmissionRequest, access: RequestAccess, bindings: Bindings, budget: number) {
    this.#access = access;
    this.#left = budget;
    this.#activation = new RequestActivation(request, access.known, bindings);
  }

  /** The remaining budget. */
  get left(): number {
    return this.#left;
  }

  /** @throws OutOfBudgetError */
  async evaluate({ source, program, problem }: Compiled): Promise<Evaluated> {
    if (program === undefined) return { problem: `compilation error: ${problem}` };
    const { variables } = this.#activation;
    if (variables !== undefined) variables.limit = this.#left;
    const { value, error, cost } = await evaluateWithChecks(
      () => program.run(this.#activation),
      (check) => this.#access.ask(check),
      this.#access.known,
    );
    const spent = cost + (variables?.takeCost() ?? 0);
    if (spent > this.#left) throw new OutOfBudgetError();
    this.#left -= spent;
    this.#sinceTurn += spent;
    if (this.#sinceTurn > turnCost) {
      this.#sinceTurn = 0;
      await letOthersIn();
    }
    if (error === undefined) return { value: value as Value };
    return { problem: `expression '${source}' resulted in error: ${error.message}` };
  }
}

class RequestActivation implements Activation {
  readonly #request: AdmissionRequest;
  readonly #known: ReadonlyMap<string, AccessDecision>;
  readonly #bindings: Bindings;
  readonly variables: LazyVariables | undefined;

  constructor(request: AdmissionRequest, known: ReadonlyMap<string, AccessDecision>, bindings: Bindings) {
    this.#request = request;
    this.#known = known;
    this.#bindings = bindings;
    this.variables = bindings.variables === undefined ? undefined : new LazyVariables(bindings.variables, this);
  }

  get(name: string): Value | undefined {
    switch (name) {
      case 'object':
        return fromJson(this.#request.object);
      case 'oldObject':
        return fromJson(this.#request.oldObject);
      case 'params':
        return fromJson(this.#bindings.params ?? null);
      case 'namespaceObject':
        return fromJson(this.#bindings.namespaceObject ?? null);
      case 'request':
        return fromJson(this.#request, requestType);
      case 'variables':
        return this.variables;
      case 'authorizer':
        return new AuthorizerValue(this.#known);
      case 'authorizer.requestResource':
        return this.#requestResource();
      default:
        return undefined;
    }
  }

  #requestResource(): Value {
    const { requestResource: resource, requestSubResource = '', namespace = '', name = '' } = this.#request;
    const { group, resource: plural } = resource;
    return requestResourceCheck(this.#known, { group, resource: plural, subresource: requestSubResource, namespace, name });
  }
}

/** `variables`: each is evaluated at its first use, and its value or error is kept. */
class LazyVariables extends MapValue {
  override readonly typeName = 'kubernetes.variables';
  readonly #variables: ComposedVariables;
  readonly #activation: Activation;
  readonly #results = new Map<string, Value | CelError>();
  #cost = 0;
  /** The variables that are being evaluated, each used by the one before it. */
  readonly #open = new Set<string>();
  /** The cost limit until the next {@link takeCost}. */
  limit = 0;

  constructor(variables: ComposedVariables, activation: Activation) {
    super();
    this.#variables = variables;
    this.#activation = activation;
  }

  get size(): number {
    return this.#variables.compiled.size;
  }

  keys(): Iterable<Value> {
    return this.#variables.compiled.keys();
  }

  override has(key: Value): boolean {
    return typeof key === 'string' && this.#variables.compiled.has(key);
  }

  /** @throws CelError of the variable @throws OutOfBudgetError */
  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    let result = this.#results.get(key);
    if (result === undefined) {
      const compiled = this.#variables.compiled.get(key);
      if (compiled === undefined) return undefined;
      result = this.#guarded(key, compiled);
      this.#results.set(key, result);
    }
    if (result instanceof CelError) throw result;
    return result;
  }

  /** @throws PendingCheck, after which the evaluation is repeated */
  #guarded(name: string, compiled: Compiled): Value | CelError {
    const named = `composited variable ${JSON.stringify(name)}`;
    // If two variables have the same name, the later one may refer to itself.
    if (this.#open.has(name)) return new CelError(`${named} fails to evaluate: it names itself`);
    if (this.#open.size === maxDepth)
      return new CelError(`${named} fails to evaluate: more than ${maxDepth} variables within each other`);
    this.#open.add(name);
    try {
      return this.#evaluate(name, compiled);
    } finally {
      this.#open.delete(name);
    }
  }

  #evaluate(name: string, { program, problem }: Compiled): Value | CelError {
    const named = `composited variable ${JSON.stringify(name)}`;
    if (program === undefined) return new CelError(`${named} fails to compile: ${problem}`);
    const { value, error, cost } = program.run(this.#activation, perCallLimit);
    this.#cost += cost;
    if (this.#cost > this.limit) throw new OutOfBudgetError();
    return error === undefined ? (value as Value) : new CelError(`${named} fails to evaluate: ${error.message}`);
  }

  /** The cost since the last call. */
  takeCost(): number {
    const cost = this.#cost;
    this.#cost = 0;
    return cost;
  }
}

function attributesOf(check: AccessCheck, user: UserInfo): AuthorizationAttributes {
  const { path, serviceAccount } = check;
  return {
    user: serviceAccount === undefined ? user : serviceAccountUser(serviceAccount),
    verb: check.verb,
    isResource: path === undefined,
    group: check.group,
    version: path === undefined ? '*' : '',
    resource: check.resource,
    subresource: check.subresource,
    namespace: check.namespace,
    name: check.name,
    path: path ?? '',
    ...fieldsOf(check.fieldSelector),
  };
}

const serviceAccountUser = ({ namespace, name }: { namespace: string; name: string }): UserInfo => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  extra: {},
});

/** An invalid selector is ignored. */
function fieldsOf(text: string): Pick<AuthorizationAttributes, 'fieldSelector'> {
  if (text === '') return {};
  try {
    return { fieldSelector: parseFieldSelector(text) };
  } catch (error) {
    if (error instanceof SelectorError) return {};
    throw error;
  }
}
