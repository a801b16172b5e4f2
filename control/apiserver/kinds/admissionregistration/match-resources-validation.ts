/**
 * What is wrong with the parts that policies of both kinds and their bindings share: which requests they are for, and parameters.
 *
 * Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go` (validateMatchResources, validateParamKind, validateParamRef).
 */
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { isDns1035Label, isDns1123Subdomain, isPathSegmentName } from '#api/names.ts';
import type { MatchResources, NamedRuleWithOperations, ParamKind, ParamRef } from '#api/types.generated.ts';
import type { Submitted } from '../../validation/submitted.ts';
import { validateRule } from './rules-validation.ts';

const failurePolicies = ['Fail', 'Ignore'];
const matchPolicies = ['Equivalent', 'Exact'];
const notFoundActions = ['Deny', 'Allow'];
const mutatingOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** The field has to be there, with one of the values. */
export function oneOfRequired(value: string | undefined, allowed: readonly string[], path: string): FieldError[] {
  if (value === undefined || value === '') return [required(path)];
  return allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

/** `spec.failurePolicy`. */
export const validateFailurePolicy = (value: string | undefined): FieldError[] =>
  value === undefined || failurePolicies.includes(value)
    ? value === undefined
      ? [required('spec.failurePolicy')]
      : []
    : [notSupported('spec.failurePolicy', value, failurePolicies)];

/** `spec.matchConstraints`: there has to be a rule, which tells the type of the objects. */
export function validateMatchConstraints(constraints: MatchResources | undefined): FieldError[] {
  const path = 'spec.matchConstraints';
  if (constraints === undefined) return [required(path)];
  return [
    ...validateMatchResources(constraints, path),
    ...((constraints.resourceRules ?? []).length === 0 ? [required(`${path}.resourceRules`)] : []),
  ];
}

/** Problems of what a policy or a binding is for; undefined: everything, which is right. */
export function validateMatchResources(resources: MatchResources | undefined, path: string): FieldError[] {
  if (resources === undefined) return [];
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [], excludeResourceRules = [] } = resources;
  return [
    ...(matchPolicy === undefined
      ? [required(`${path}.matchPolicy`)]
      : matchPolicies.includes(matchPolicy)
        ? []
        : [notSupported(`${path}.matchPolicy`, matchPolicy, matchPolicies)]),
    ...(namespaceSelector === undefined
      ? [required(`${path}.namespaceSelector`)]
      : validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`)),
    ...(objectSelector === undefined
      ? [required(`${path}.objectSelector`)]
      : validateLabelSelector(objectSelector, `${path}.objectSelector`)),
    ...resourceRules.flatMap((rule, index) => validateNamedRule(rule, `${path}.resourceRules[${index}]`)),
    ...excludeResourceRules.flatMap((rule, index) => validateNamedRule(rule, `${path}.excludeResourceRules[${index}]`)),
  ];
}

function validateNamedRule(rule: NamedRuleWithOperations, path: string): FieldError[] {
  const seen = new Set<string>();
  const errors = (rule.resourceNames ?? []).flatMap((name, index) => {
    const at = `${path}.resourceNames[${index}]`;
    const isRepeated = seen.has(name);
    seen.add(name);
    return [...isPathSegmentName(name).map((text) => invalidValue(at, name, text)), ...(isRepeated ? [duplicate(at, name)] : [])];
  });
  return [...errors, ...validateRule(rule, path)];
}

/** What mutates is never asked about deletes. @param path of the match resources */
export const validateMutatingOperations = (resources: MatchResources | undefined, path: string): FieldError[] =>
  (resources?.resourceRules ?? [])
    .flatMap(({ operations = [] }) => operations)
    .filter((operation) => !mutatingOperations.includes(operation))
    .map((operation) => notSupported(`${path}.resourceRules.operations`, operation, mutatingOperations));

/** `spec.paramKind`; undefined: there is none, which is right. */
export function validateParamKind(paramKind: ParamKind | undefined): FieldError[] {
  if (paramKind === undefined) return [];
  const { apiVersion = '', kind = '' } = paramKind;
  return [...validateApiVersion(apiVersion, 'spec.paramKind.apiVersion'), ...validateKind(kind, 'spec.paramKind.kind')];
}

function validateApiVersion(apiVersion: string, path: string): FieldError[] {
  if (apiVersion === '') return [required(path)];
  const parts = apiVersion === '/' ? ['', ''] : apiVersion.split('/');
  if (parts.length > 2) return [invalidValue(path, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const [group, version] = parts.length === 1 ? ['', parts[0] ?? ''] : [parts[0] ?? '', parts[1] ?? ''];
  const wrongGroup = group === '' ? [] : isDns1123Subdomain(group);
  const wrongVersion = isDns1035Label(version);
  return [
    ...(wrongGroup.length === 0 ? [] : [invalidValue(path, group, wrongGroup.join(','))]),
    ...(version === ''
      ? [invalidValue(path, apiVersion, 'version must be specified')]
      : wrongVersion.length === 0
        ? []
        : [invalidValue(path, version, wrongVersion.join(','))]),
  ];
}

function validateKind(kind: string, path: string): FieldError[] {
  if (kind === '') return [required(path)];
  const wrong = isDns1035Label(kind.toLowerCase());
  return wrong.length === 0
    ? []
    : [invalidValue(path, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`)];
}

/** The policy and parameters that a binding names: `spec.policyName`, `spec.paramRef`. */
export function validateBindingTarget({
  policyName = '',
  paramRef,
}: {
  policyName?: string | undefined;
  paramRef?: ParamRef | undefined;
}): FieldError[] {
  const path = 'spec.policyName';
  return [
    ...(policyName === ''
      ? [required(path)]
      : isDns1123Subdomain(policyName).map((text) => invalidValue(path, policyName, text))),
    ...(paramRef === undefined ? [] : validateParamRef(paramRef, 'spec.paramRef')),
  ];
}

function validateParamRef({ name = '', selector, parameterNotFoundAction }: Submitted<ParamRef>, path: string): FieldError[] {
  const both = (field: string): FieldError => forbiddenField(`${path}.${field}`, 'name and selector are mutually exclusive');
  return [
    ...(name === '' ? [] : isPathSegmentName(name).map((text) => invalidValue(`${path}.name`, name, text))),
    ...(name !== '' && selector !== undefined ? [both('name')] : []),
    ...(selector === undefined ? [] : validateLabelSelector(selector, `${path}.selector`)),
    ...(name !== '' && selector !== undefined ? [both('selector')] : []),
    ...(name === '' && selector === undefined ? [required(path, 'one of name or selector must be specified')] : []),
    ...oneOfRequired(parameterNotFoundAction, notFoundActions, `${path}.parameterNotFoundAction`),
  ];
}
