/**
 * The CEL environments of admission: the variables and result types of match conditions and policy expressions.
 *
 * Source: apiserver `pkg/admission/plugin/cel/compile.go`, `composition.go`; `pkg/cel/mutation` (Object, JSONPatch).
 */
import { define } from './declarations.ts';
import { CelEnvironment, type Program } from './environment.ts';
import { AuthorizerValue, authorizerLibrary, ResourceCheck } from './library/authorizer.ts';
import { CelCompileError } from './source.ts';
import type { Field, Type } from './types.ts';
import * as types from './types.ts';

const { stringType, boolType, dynType, intType, timestampType, listType, mapType } = types;

const struct = (name: string, fields: Readonly<Record<string, Type>>): Type =>
  types.structType(name, new Map(Object.entries(fields).map(([property, type]) => [property, { type, property }])));

const kindType = struct('kubernetes.GroupVersionKind', { group: stringType, version: stringType, kind: stringType });
const resourceType = struct('kubernetes.GroupVersionResource', { group: stringType, version: stringType, resource: stringType });
const userType = struct('kubernetes.UserInfo', {
  username: stringType,
  uid: stringType,
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
});

/** The variable `request`: an AdmissionRequest without its objects. */
export const requestType = struct('kubernetes.AdmissionRequest', {
  kind: kindType,
  resource: resourceType,
  subResource: stringType,
  requestKind: kindType,
  requestResource: resourceType,
  requestSubResource: stringType,
  name: stringType,
  namespace: stringType,
  operation: stringType,
  userInfo: userType,
  dryRun: boolType,
  options: dynType,
});

const namespaceType = struct('kubernetes.Namespace', {
  metadata: struct('kubernetes.NamespaceMetadata', {
    name: stringType,
    generateName: stringType,
    namespace: stringType,
    labels: mapType(stringType, stringType),
    annotations: mapType(stringType, stringType),
    UID: stringType,
    creationTimestamp: timestampType,
    deletionGracePeriodSeconds: intType,
    deletionTimestamp: timestampType,
    generation: intType,
    resourceVersion: stringType,
    finalizers: listType(stringType),
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: listType(stringType) }),
  status: struct('kubernetes.NamespaceStatus', {
    conditions: listType(
      struct('kubernetes.NamespaceCondition', {
        status: stringType,
        type: stringType,
        lastTransitionTime: timestampType,
        message: stringType,
        reason: stringType,
      }),
    ),
    phase: stringType,
  }),
});

/** A map that contains every field name, with a dynamic type. */
class AnyField extends Map<string, Field> {
  override get(property: string): Field {
    return { type: dynType, property };
  }
}

/** `Object{…}` and `Object.spec{…}`: a part of the object that a policy applies. */
export const applyConfigurationType = types.structType('Object', new AnyField());
/** `JSONPatch{op: "add", path: "/a", value: 1}`: one operation. */
export const jsonPatchType = struct('JSONPatch', { op: stringType, path: stringType, from: stringType, value: dynType });

const escapeKey = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');
/** Each call costs one unit, like functions without an estimate. */
const patchLibrary = [define('jsonpatch.escapeKey(string): string', escapeKey)];

function patchStruct(name: string): Type | undefined {
  if (name === jsonPatchType.name) return jsonPatchType;
  if (name === applyConfigurationType.name) return applyConfigurationType;
  return name.startsWith('Object.') ? types.structType(name, new AnyField()) : undefined;
}

/** Options for variables and types besides `object`, `oldObject`, `request` and `namespaceObject`. */
export interface Declared {
  params: boolean;
  authorizer: boolean;
  /** `Object{…}` and `JSONPatch{…}`. */
  patches?: boolean;
  /** Type of `object`, for type checking; default dyn. */
  objectType?: Type | undefined;
  paramsType?: Type | undefined;
}

let plain: CelEnvironment | undefined;
let patching: CelEnvironment | undefined;
const environments = new Map<string, CelEnvironment>();

/** The environment for these options. Frequent ones are created once. */
export function admissionEnvironment(declared: Declared): CelEnvironment {
  const { params, authorizer, patches = false, objectType, paramsType } = declared;
  if (objectType !== undefined || paramsType !== undefined) return make(declared);
  const key = `${params} ${authorizer} ${patches}`;
  const known = environments.get(key);
  if (known !== undefined) return known;
  const made = make(declared);
  environments.set(key, made);
  return made;
}

function make({ params, authorizer, patches = false, objectType = dynType, paramsType = dynType }: Declared): CelEnvironment {
  plain ??= new CelEnvironment({ libraries: [authorizerLibrary] });
  if (patches) patching ??= new CelEnvironment({ libraries: [authorizerLibrary, patchLibrary], structNamed: patchStruct });
  return (patches ? (patching as CelEnvironment) : plain).with({
    object: objectType,
    oldObject: objectType,
    namespaceObject: namespaceType,
    request: requestType,
    ...(params ? { params: paramsType } : {}),
    ...(authorizer ? { authorizer: AuthorizerValue.type, 'authorizer.requestResource': ResourceCheck.type } : {}),
  });
}

/** A compiled expression, or the reason why it does not compile. */
export interface Compiled {
  source: string;
  program: Program | undefined;
  /** Upstream's error text; '' when there is no error. */
  problem: string;
}

/**
 * Compiles an expression whose result must have one of these types; without types, any is accepted. Never throws for a faulty expression.
 */
export function compileExpression(environment: CelEnvironment, source: string, ...results: readonly Type[]): Compiled {
  let program: Program;
  try {
    program = environment.compile(source);
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return { source, program: undefined, problem: `compilation failed: ${error.message}` };
  }
  if (results.length === 0 || results.some((type) => types.isSameType(type, program.type)))
    return { source, program, problem: '' };
  const given = typeText(program.type);
  const [first] = results;
  const wanted = results.length === 1 ? typeText(first as Type) : `one of [${results.map(typeText).join(' ')}]`;
  return { source, program: undefined, problem: `must evaluate to ${wanted} but got ${given}` };
}

/** As cel-go prints a type. */
function typeText(type: Type): string {
  if (type.kind === 'null') return 'null_type';
  if (type.params.length === 0) return types.formatType(type);
  return `${type.name}(${type.params.map(typeText).join(', ')})`;
}

/** An expression of a policy that others name as `variables.name`. */
export interface NamedExpression {
  name: string;
  expression: string;
}

/** The compiled variables of one policy. Each may use those before it. */
export class ComposedVariables {
  readonly #fields = new Map<string, Field>();
  readonly #type = types.structType('kubernetes.variables', this.#fields);
  readonly #environments = new Map<CelEnvironment, CelEnvironment>();
  /** By name. */
  readonly compiled = new Map<string, Compiled>();

  /** Compiles and adds a variable. @param environment of the variable's expression */
  add(environment: CelEnvironment, { name, expression }: NamedExpression): Compiled {
    const compiled = compileExpression(this.environment(environment), expression);
    this.#fields.set(name, { property: name, type: declaredType(compiled.program?.type ?? dynType) });
    this.compiled.set(name, compiled);
    return compiled;
  }

  /** An environment with `variables`. It also sees variables that are added later. */
  environment(base: CelEnvironment): CelEnvironment {
    const known = this.#environments.get(base);
    if (known !== undefined) return known;
    const made = base.with({ variables: this.#type });
    this.#environments.set(base, made);
    return made;
  }
}

/** Objects, optional and opaque types become dyn, because upstream's declared types cannot express them. */
function declaredType(type: Type): Type {
  switch (type.kind) {
    case 'list':
      return listType(declaredType(type.params[0] ?? dynType));
    case 'map':
      return mapType(declaredType(type.params[0] ?? dynType), declaredType(type.params[1] ?? dynType));
    case 'bool':
    case 'bytes':
    case 'double':
    case 'duration':
    case 'int':
    case 'null':
    case 'string':
    case 'timestamp':
    case 'uint':
      return type.nullable === true ? dynType : type;
    default:
      return dynType;
  }
}
