/**
 * What expressions of admission see: `object`, `oldObject`, `request`, `authorizer`.
 *
 * Source: apiserver `pkg/admission/plugin/cel/{compile,activation}.go`.
 */
import { CelEnvironment } from '#api/cel/environment.ts';
import type { Activation } from '#api/cel/interpreter.ts';
import { fromJson } from '#api/cel/json-values.ts';
import {
  type AccessCheck,
  type AccessDecision,
  AuthorizerValue,
  authorizerLibrary,
  evaluateWithChecks,
  type KnownDecisions,
  ResourceCheck,
  requestResourceCheck,
} from '#api/cel/library/authorizer.ts';
import type { Type } from '#api/cel/types.ts';
import * as types from '#api/cel/types.ts';
import type { Value } from '#api/cel/values.ts';
import { errorText } from '#api/error-text.ts';
import { parseFieldSelector, SelectorError } from '#api/selector.ts';
import type { AuthorizationAttributes, Authorizer } from '../authorization/authorization.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { AdmissionRequest } from './admission-request.ts';

const { stringType, boolType, dynType } = types;

const struct = (name: string, fields: Readonly<Record<string, Type>>): Type =>
  types.structType(name, new Map(Object.entries(fields).map(([property, type]) => [property, { type, property }])));

const kindType = struct('kubernetes.GroupVersionKind', { group: stringType, version: stringType, kind: stringType });
const resourceType = struct('kubernetes.GroupVersionResource', { group: stringType, version: stringType, resource: stringType });
const userType = struct('kubernetes.UserInfo', {
  username: stringType,
  uid: stringType,
  groups: types.listType(stringType),
  extra: types.mapType(stringType, types.listType(stringType)),
});
const requestType = struct('kubernetes.AdmissionRequest', {
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

/** The environment of match conditions. */
export const matchConditionEnvironment = new CelEnvironment({
  variables: {
    object: dynType,
    oldObject: dynType,
    request: requestType,
    authorizer: AuthorizerValue.type,
    'authorizer.requestResource': ResourceCheck.type,
  },
  libraries: [authorizerLibrary],
});

/** One request, as expressions see it. */
export class AdmissionVariables {
  readonly #request: AdmissionRequest;
  readonly #user: UserInfo;
  readonly #authorizer: Authorizer | undefined;

  constructor(request: AdmissionRequest, user: UserInfo, authorizer: Authorizer | undefined) {
    this.#request = request;
    this.#user = user;
    this.#authorizer = authorizer;
  }

  /** Evaluates with what the authorizer says, asked as it is needed. @throws whatever `evaluate` throws */
  evaluate<T>(evaluate: (activation: Activation) => T): Promise<T> {
    return evaluateWithChecks(
      (known) => evaluate(this.#activation(known)),
      (check) => this.#ask(check),
    );
  }

  #activation(known: KnownDecisions): Activation {
    const { object, oldObject, ...request } = this.#request;
    const { resource, subResource = '', namespace = '', name = '' } = request;
    const values = new Map<string, () => Value>([
      ['object', () => fromJson(object)],
      ['oldObject', () => fromJson(oldObject)],
      // Fields that JSON leaves out when they are empty are there for expressions.
      ['request', () => fromJson({ subResource: '', name: '', namespace: '', requestSubResource: '', ...request }, requestType)],
      ['authorizer', () => new AuthorizerValue(known)],
      [
        'authorizer.requestResource',
        () =>
          requestResourceCheck(known, {
            group: resource.group,
            resource: resource.resource,
            subresource: subResource,
            namespace,
            name,
          }),
      ],
    ]);
    return { get: (variable) => values.get(variable)?.() };
  }

  async #ask(check: AccessCheck): Promise<AccessDecision> {
    if (this.#authorizer === undefined) return { allowed: true, reason: '' };
    try {
      const { allowed, reason } = await this.#authorizer.authorize(attributesOf(check, this.#user));
      return { allowed, reason };
    } catch (error) {
      return { allowed: false, reason: '', error: errorText(error) };
    }
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

/** A selector that cannot be read narrows nothing. */
function fieldsOf(text: string): Pick<AuthorizationAttributes, 'fieldSelector'> {
  if (text === '') return {};
  try {
    return { fieldSelector: parseFieldSelector(text) };
  } catch (error) {
    if (error instanceof SelectorError) return {};
    throw error;
  }
}
