/**
 * Authorization checks in expressions: `authorizer.group('apps').resource('deployments').check('create').allowed()`.
 *
 * A check is asynchronous, but an evaluation is not. So a check without a known result stops the evaluation with {@link PendingCheck};
 * `evaluateWithChecks` runs the check and evaluates again.
 *
 * Source: apiserver `pkg/cel/library/authz.go`.
 */
import { isDns1123Label, isDns1123Subdomain } from '../../names.ts';
import { define, type Library } from '../declarations.ts';
import { traversal } from '../runtime-cost.ts';
import { opaqueType, type Type } from '../types.ts';
import { CelError, Opaque, sizeOf, type Value } from '../values.ts';

/** The attributes of a check. */
export interface AccessCheck {
  /** Undefined: the user of the request. */
  serviceAccount: { namespace: string; name: string } | undefined;
  /** A non-resource path. All other attributes except the verb are then ''. */
  path: string | undefined;
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  fieldSelector: string;
  labelSelector: string;
}

/** The result of a check. `error`: the authorizer failed. */
export interface AccessDecision {
  allowed: boolean;
  reason: string;
  error?: string;
}

/** Thrown when the evaluation needs the result of a check. It is not an error of the expression. */
export class PendingCheck {
  readonly check: AccessCheck;
  constructor(check: AccessCheck) {
    this.check = check;
  }
}

/** Results of checks, by {@link checkKey}. */
export type KnownDecisions = ReadonlyMap<string, AccessDecision>;

/** The key of a check in {@link KnownDecisions}: equal for equal checks. */
export const checkKey = (check: AccessCheck): string => JSON.stringify(check);

const nothing: AccessCheck = {
  serviceAccount: undefined,
  path: undefined,
  verb: '',
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  fieldSelector: '',
  labelSelector: '',
};

/** A check that is being built step by step. */
abstract class Question extends Opaque {
  readonly check: AccessCheck;
  readonly known: KnownDecisions;
  constructor(known: KnownDecisions, check: AccessCheck = nothing) {
    super();
    this.known = known;
    this.check = check;
  }
  override equals(other: Opaque): boolean {
    return other instanceof Question && checkKey(other.check) === checkKey(this.check);
  }
}

/** The variable `authorizer`. */
export class AuthorizerValue extends Question {
  static readonly type = opaqueType('kubernetes.authorization.Authorizer');
  readonly typeName = AuthorizerValue.type.name;
}
class PathCheck extends Question {
  static readonly type = opaqueType('kubernetes.authorization.PathCheck');
  readonly typeName = PathCheck.type.name;
}
class GroupCheck extends Question {
  static readonly type = opaqueType('kubernetes.authorization.GroupCheck');
  readonly typeName = GroupCheck.type.name;
}
/** The variable `authorizer.requestResource`. */
export class ResourceCheck extends Question {
  static readonly type = opaqueType('kubernetes.authorization.ResourceCheck');
  readonly typeName = ResourceCheck.type.name;
}
class DecisionValue extends Opaque {
  static readonly type = opaqueType('kubernetes.authorization.Decision');
  readonly typeName = DecisionValue.type.name;
  readonly decision: AccessDecision;
  constructor(decision: AccessDecision) {
    super();
    this.decision = decision;
  }
  override equals(other: Opaque): boolean {
    return other instanceof DecisionValue && JSON.stringify(other.decision) === JSON.stringify(this.decision);
  }
}

/** `authorizer.requestResource`: a check on the request's own resource. */
export const requestResourceCheck = (known: KnownDecisions, request: Partial<AccessCheck>): ResourceCheck =>
  new ResourceCheck(known, { ...nothing, ...request });

function nonEmpty(text: string, what: string): string {
  if (text.trim() === '') throw new CelError(`${what} must not be empty`);
  return text;
}

function asServiceAccount({ known, check }: AuthorizerValue, namespace: string, name: string): Value {
  if (isDns1123Subdomain(name).length > 0) throw new CelError('Invalid service account name');
  if (isDns1123Label(namespace).length > 0) throw new CelError('Invalid service account namespace');
  return new AuthorizerValue(known, { ...check, serviceAccount: { namespace, name } });
}

function decide({ known, check }: Question, verb: string): Value {
  const asked = { ...check, verb };
  const decision = known.get(checkKey(asked));
  if (decision === undefined) throw new PendingCheck(asked);
  return new DecisionValue(decision);
}

const extended =
  (part: keyof AccessCheck) =>
  ({ known, check }: ResourceCheck, text: string): Value =>
    new ResourceCheck(known, { ...check, [part]: text });

const named: Readonly<Record<string, Type>> = {
  Authorizer: AuthorizerValue.type,
  PathCheck: PathCheck.type,
  GroupCheck: GroupCheck.type,
  ResourceCheck: ResourceCheck.type,
  Decision: DecisionValue.type,
};
/** Cost of one check. It allows an expression two checks within the limit, as upstream. */
const asking = () => 350_000;
const selecting = ([, text]: readonly Value[]): number => {
  const length = sizeOf(text as Value);
  return 10 + traversal(length) + Math.ceil(Math.ceil(length * 0.5) * 50);
};

/** `authorizer`: checks the permissions of the request's user. Source: apiserver `pkg/cel/library/authz.go`. */
export const authorizerLibrary: Library = [
  define(
    '.path(Authorizer, string): PathCheck',
    ({ known, check }: AuthorizerValue, path: string) => new PathCheck(known, { ...check, path: nonEmpty(path, 'path') }),
    { named },
  ),
  define(
    '.group(Authorizer, string): GroupCheck',
    ({ known, check }: AuthorizerValue, group: string) => new GroupCheck(known, { ...check, group }),
    { named },
  ),
  define('.serviceAccount(Authorizer, string, string): Authorizer', asServiceAccount, { named }),
  define(
    '.resource(GroupCheck, string): ResourceCheck',
    ({ known, check }: GroupCheck, resource: string) =>
      new ResourceCheck(known, { ...check, resource: nonEmpty(resource, 'resource') }),
    { named },
  ),
  define('.subresource(ResourceCheck, string): ResourceCheck', extended('subresource'), { named }),
  define('.namespace(ResourceCheck, string): ResourceCheck', extended('namespace'), { named }),
  define('.name(ResourceCheck, string): ResourceCheck', extended('name'), { named }),
  define('.fieldSelector(ResourceCheck, string): ResourceCheck', extended('fieldSelector'), { named, cost: selecting }),
  define('.labelSelector(ResourceCheck, string): ResourceCheck', extended('labelSelector'), { named, cost: selecting }),
  define('.check(PathCheck, string): Decision', decide, { named, cost: asking }),
  define('.check(ResourceCheck, string): Decision', decide, { named, cost: asking }),
  define('.allowed(Decision): bool', ({ decision }: DecisionValue) => decision.allowed, { named }),
  define('.reason(Decision): string', ({ decision }: DecisionValue) => decision.reason, { named }),
  define('.errored(Decision): bool', ({ decision }: DecisionValue) => decision.error !== undefined, { named }),
  define('.error(Decision): string', ({ decision }: DecisionValue) => decision.error ?? '', { named }),
];

/**
 * Evaluates, and runs each check once when it is needed.
 * @param evaluate evaluates with the results so far
 * @param known results of earlier checks; new ones are added
 */
export async function evaluateWithChecks<T>(
  evaluate: (known: KnownDecisions) => T,
  ask: (check: AccessCheck) => AccessDecision | Promise<AccessDecision>,
  known: Map<string, AccessDecision> = new Map(),
): Promise<T> {
  for (;;) {
    try {
      return evaluate(known);
    } catch (error) {
      if (!(error instanceof PendingCheck)) throw error;
      known.set(checkKey(error.check), await ask(error.check));
    }
  }
}
