/**
 * Shared code of RoleBindings and ClusterRoleBindings.
 *
 * Source: upstream `pkg/apis/rbac/{v1/defaults.go,validation/validation.go}`, `pkg/printers/internalversion/printers.go`.
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, notSupported, required } from '#api/field-error.ts';
import { isPathSegmentName, nameIsDnsSubdomain } from '#api/names.ts';
import type { ClusterRoleBinding, RoleBinding, RoleRef, Subject } from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import { ageColumn, ageOf, column, nameColumn, wide } from '../columns.ts';

type Binding = RoleBinding | ClusterRoleBinding;

const rbacGroup = 'rbac.authorization.k8s.io';

/** Fills in the API group of roleRef and of users and groups, in place. */
export function setBindingDefaults(binding: Binding): void {
  const { kind, name, apiGroup } = wholeRef(binding.roleRef);
  binding.roleRef = { apiGroup: apiGroup || rbacGroup, kind, name };
  for (const subject of binding.subjects ?? [])
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup;
}

/**
 * Validates roleRef and subjects. @param isNamespaced true for a RoleBinding, which may also refer to a ClusterRole. Source: upstream
 * `pkg/apis/rbac/validation` (ValidateRoleBinding).
 */
export function validateBinding({ roleRef, subjects = [] }: Binding, isNamespaced: boolean): FieldError[] {
  const { apiGroup, kind, name } = wholeRef(roleRef);
  const kinds = isNamespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const errors: FieldError[] = [];
  if (apiGroup !== rbacGroup) errors.push(notSupported('roleRef.apiGroup', apiGroup, [rbacGroup]));
  if (!kinds.includes(kind)) errors.push(notSupported('roleRef.kind', kind, kinds));
  if (name === '') errors.push(required('roleRef.name'));
  else errors.push(...isPathSegmentName(name).map((text) => invalidValue('roleRef.name', name, text)));
  return [...errors, ...subjects.flatMap((subject, index) => validateSubject(subject, isNamespaced, `subjects[${index}]`))];
}

function validateSubject(subject: Partial<Subject>, isNamespaced: boolean, path: string): FieldError[] {
  const { kind = '', name = '', namespace = '', apiGroup = '' } = subject;
  const errors = name === '' ? [required(`${path}.name`)] : [];
  switch (kind) {
    case 'ServiceAccount':
      if (name !== '') errors.push(...nameIsDnsSubdomain(name, false).map((text) => invalidValue(`${path}.name`, name, text)));
      if (apiGroup !== '') errors.push(notSupported(`${path}.apiGroup`, apiGroup, ['']));
      if (!isNamespaced && namespace === '') errors.push(required(`${path}.namespace`));
      return errors;
    case 'User':
    case 'Group':
      return apiGroup === rbacGroup ? errors : [...errors, notSupported(`${path}.apiGroup`, apiGroup, [rbacGroup])];
    default:
      return [...errors, notSupported(`${path}.kind`, kind, ['ServiceAccount', 'User', 'Group'])];
  }
}

/** Replaces absent fields by empty strings. */
function wholeRef({ apiGroup = '', kind = '', name = '' }: Partial<RoleRef> = {}): Required<RoleRef> {
  return { apiGroup, kind, name };
}

/** roleRef is immutable. A binding to another role must be a new object, because it may need other permissions. */
export function validateBindingUpdate({ roleRef }: Binding, old: Binding): FieldError[] {
  return semanticEqual(roleRef, old.roleRef) ? [] : [invalidValue('roleRef', roleRef, 'cannot change roleRef')];
}

const names = ({ subjects = [] }: Binding, kind: string): string =>
  subjects
    .filter((subject) => subject.kind === kind)
    .map(({ name, namespace = '' }) => (kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
    .join(', ');

/** The columns of both kinds of bindings. Source: upstream printRoleBinding, printClusterRoleBinding. */
export const bindingColumns: TableColumns<Binding> = {
  columns: [
    nameColumn,
    column('Role', 'The role whose rules the subjects get.'),
    ageColumn,
    wide('Users', 'The users among the subjects.'),
    wide('Groups', 'The groups among the subjects.'),
    wide('ServiceAccounts', 'The service accounts among the subjects.'),
  ],
  cells: (binding, nowMs) => [
    binding.metadata.name,
    `${binding.roleRef.kind}/${binding.roleRef.name}`,
    ageOf(binding, nowMs),
    names(binding, 'User'),
    names(binding, 'Group'),
    names(binding, 'ServiceAccount'),
  ],
};
