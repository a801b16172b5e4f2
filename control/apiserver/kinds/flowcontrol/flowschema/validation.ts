/** FlowSchemas. Source: upstream `pkg/apis/flowcontrol/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { nameIsDnsLabel, nameIsDnsSubdomain } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import type {
  FlowControlSubject,
  FlowSchema,
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
} from '#api/types.generated.ts';
import { goValue } from '../../../validation/go-value.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { validateFlowConditions } from '../conditions-validation.ts';
import { exempt, mandatoryFlowSchemas } from '../default-objects.ts';

const maxPrecedence = 10_000;
const distinguishers = ['ByNamespace', 'ByUser'];
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const namespaceIntro = "each member of this list must be '*' or a DNS-1123 label; ";

/**
 * Validates spec and status. A mandatory FlowSchema must keep its fixed spec. Source: upstream `pkg/apis/flowcontrol/validation`
 * (ValidateFlowSchema).
 */
export function validateFlowSchema({ metadata, spec, status }: FlowSchema): FieldError[] {
  const fixed = ownValue(mandatoryFlowSchemas, metadata.name);
  const isOther = fixed !== undefined && !semanticEqual(spec, fixed);
  const shown = (): unknown => goValue('flowcontrol/v1.FlowSchemaSpec', spec, { apiGroups: 'APIGroups' });
  return [
    ...validateSpec(metadata.name, spec),
    ...(isOther ? [invalidValue('spec', shown(), `spec of '${metadata.name}' must equal the fixed value`)] : []),
    ...validateFlowConditions(status?.conditions),
  ];
}

function validateSpec(name: string, spec: Submitted<FlowSchemaSpec>): FieldError[] {
  const { matchingPrecedence: precedence = 0, distinguisherMethod: method, rules = [] } = spec;
  const level = spec.priorityLevelConfiguration?.name ?? '';
  const errors: FieldError[] = [];
  const wrongPrecedence = (why: string): void => void errors.push(invalidValue('spec.matchingPrecedence', precedence, why));
  if (precedence <= 0) wrongPrecedence('must be a positive value');
  if (precedence > maxPrecedence) wrongPrecedence(`must not be greater than ${maxPrecedence}`);
  if (precedence === 1 && name !== exempt) wrongPrecedence("only the schema named 'exempt' may have matchingPrecedence 1");
  if (method !== undefined && !distinguishers.includes(method.type))
    errors.push(notSupported('spec.distinguisherMethod.type', { Type: submitted(method).type ?? '' }, distinguishers));
  const levelAt = 'spec.priorityLevelConfiguration.name';
  if (level === '') errors.push(required(levelAt, 'must reference a priority level'));
  else errors.push(...nameIsDnsSubdomain(level, false).map((text) => invalidValue(levelAt, level, text)));
  return [...errors, ...rules.flatMap((rule, index) => validateRules(rule, `spec.rules[${index}]`))];
}

function validateRules(rules: Submitted<PolicyRulesWithSubjects>, path: string): FieldError[] {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rules;
  return [
    ...(subjects.length === 0 ? [required(`${path}.subjects`, 'subjects must contain at least one value')] : []),
    ...subjects.flatMap((subject, index) => validateSubject(subject, `${path}.subjects[${index}]`)),
    ...(resourceRules.length === 0 && nonResourceRules.length === 0
      ? [required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty')]
      : []),
    ...resourceRules.flatMap((rule, index) => validateResourceRule(rule, `${path}.resourceRules[${index}]`)),
    ...nonResourceRules.flatMap((rule, index) => validateNonResourceRule(rule, `${path}.nonResourceRules[${index}]`)),
  ];
}

/** Subject kind → its own field, and the other fields in upstream's order of validation. */
const subjectKinds: Readonly<Record<string, [own: SubjectField, others: SubjectField[]]>> = {
  ServiceAccount: ['serviceAccount', ['user', 'group']],
  User: ['user', ['serviceAccount', 'group']],
  Group: ['group', ['serviceAccount', 'user']],
};
type SubjectField = 'serviceAccount' | 'user' | 'group';
const kindOf = (field: SubjectField): string => field.charAt(0).toUpperCase() + field.slice(1);

function validateSubject(subject: FlowControlSubject, path: string): FieldError[] {
  const kind = submitted(subject).kind ?? '';
  const known = ownValue(subjectKinds, kind);
  if (known === undefined) return [notSupported(`${path}.kind`, kind, ['Group', 'ServiceAccount', 'User'])];
  const [own, others] = known;
  return [
    ...validateSubjectField(subject, own, `${path}.${own}`),
    ...others
      .filter((field) => subject[field] !== undefined)
      .map((field) => forbiddenField(`${path}.${field}`, `${field} is forbidden when subject kind is not '${kindOf(field)}'`)),
  ];
}

function validateSubjectField(subject: FlowControlSubject, field: SubjectField, path: string): FieldError[] {
  const part = subject[field];
  if (part === undefined) return [required(path, `${field} is required when subject kind is '${kindOf(field)}'`)];
  const { name = '', namespace = '' } = part as { name?: string; namespace?: string };
  if (name === '' && field !== 'serviceAccount') return [required(`${path}.name`)];
  if (field !== 'serviceAccount') return [];
  const nameErrors =
    name === '' ? [required(`${path}.name`)] : name === '*' ? [] : named(nameIsDnsSubdomain, name, `${path}.name`);
  return [
    ...nameErrors,
    ...(namespace === ''
      ? [required(`${path}.namespace`, 'must specify namespace for service account')]
      : named(nameIsDnsLabel, namespace, `${path}.namespace`)),
  ];
}

const named = (check: typeof nameIsDnsLabel, value: string, path: string): FieldError[] =>
  check(value, false).map((text) => invalidValue(path, value, text));

function validateVerbs(given: readonly string[], path: string): FieldError[] {
  if (given.length === 0) return [required(path, 'verbs must contain at least one value')];
  if (given.includes('*'))
    return given.length > 1 ? [invalidValue(path, given, "if '*' is present, must not specify other verbs")] : [];
  return given.every((verb) => verbs.includes(verb)) ? [] : [notSupported(path, given, verbs)];
}

/** Validates a list that is either `*` alone or specific names. */
function validateNames(given: readonly string[], path: string, missing: string, others: string): FieldError[] {
  if (given.length === 0) return [required(path, missing)];
  const why = `if '*' is present, must not specify other ${others}`;
  return given.length > 1 && given.includes('*') ? [invalidValue(path, given, why)] : [];
}

function validateResourceRule(rule: Submitted<ResourcePolicyRule>, path: string): FieldError[] {
  const { apiGroups = [], resources = [], namespaces = [], clusterScope = false } = rule;
  const missing = 'resource rules that are not cluster scoped must supply at least one namespace';
  const errors = [
    ...validateVerbs(rule.verbs ?? [], `${path}.verbs`),
    ...validateNames(apiGroups, `${path}.apiGroups`, 'resource rules must supply at least one api group', 'api groups'),
    ...validateNames(resources, `${path}.resources`, 'resource rules must supply at least one resource', 'resources'),
  ];
  if (namespaces.length === 0 && clusterScope) return errors;
  if (namespaces.length === 0 || namespaces.includes('*'))
    return [...errors, ...validateNames(namespaces, `${path}.namespaces`, missing, 'namespaces')];
  const wrong = namespaces.flatMap((name, index) =>
    nameIsDnsLabel(name, false).map((text) => invalidValue(`${path}.namespaces[${index}]`, name, namespaceIntro + text)),
  );
  return [...errors, ...wrong];
}

function validateNonResourceRule(rule: Submitted<NonResourcePolicyRule>, path: string): FieldError[] {
  const { nonResourceURLs: urls = [] } = rule;
  const at = `${path}.nonResourceURLs`;
  const errors = validateVerbs(rule.verbs ?? [], `${path}.verbs`);
  if (urls.length === 0 || urls.includes('*'))
    return [...errors, ...validateNames(urls, at, 'nonResourceURLs must contain at least one value', 'non-resource URLs')];
  const wrong = urls.flatMap((url, index) => {
    const why = pathError(url);
    return why === undefined ? [] : [invalidValue(`${at}[${index}]`, url, why)];
  });
  return [...errors, ...wrong];
}

function pathError(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (path === '/') return undefined;
  if (!path.startsWith('/')) return 'must start with slash';
  if (path.includes(' ')) return 'must not contain white-space';
  if (path.includes('//')) return 'must not contain double slash';
  const first = path.indexOf('*');
  const isSuffix = first === path.length - 1 && path.endsWith('/*');
  return first >= 0 && !isSuffix ? 'wildcard can only do suffix matching' : undefined;
}
