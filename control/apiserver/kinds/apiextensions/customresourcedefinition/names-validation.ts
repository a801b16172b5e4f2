/** The names of a custom resource. Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go` (ValidateCustomResourceDefinitionNames). */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isDns1035Label } from '#api/names.ts';
import type { CustomResourceDefinitionNames } from '#api/types.generated.ts';

/** Those that must be there. */
export function requireNames(names: Partial<CustomResourceDefinitionNames>, path: string): FieldError[] {
  const wanted = ['plural', 'singular', 'kind', 'listKind'] as const;
  return wanted.filter((name) => (names[name] ?? '') === '').map((name) => required(`${path}.${name}`));
}

/** Their form, where they are there. */
export function validateNames(names: Partial<CustomResourceDefinitionNames>, path: string): FieldError[] {
  const { kind = '', listKind = '', shortNames = [], categories = [] } = names;
  return [
    ...label(names.plural ?? '', `${path}.plural`),
    ...label(names.singular ?? '', `${path}.singular`),
    ...mixedCase(kind, `${path}.kind`),
    ...mixedCase(listKind, `${path}.listKind`),
    ...shortNames.flatMap((name, index) => labelInList(name, `${path}.shortNames[${index}]`)),
    ...(kind !== '' && kind === listKind
      ? [invalidValue(`${path}.listKind`, listKind, 'kind and listKind may not be the same')]
      : []),
    ...categories.flatMap((name, index) => labelInList(name, `${path}.categories[${index}]`)),
  ];
}

const label = (name: string, path: string): FieldError[] => (name === '' ? [] : labelInList(name, path));

function labelInList(name: string, path: string): FieldError[] {
  const wrong = isDns1035Label(name);
  return wrong.length === 0 ? [] : [invalidValue(path, name, wrong.join(','))];
}

function mixedCase(name: string, path: string): FieldError[] {
  const wrong = name === '' ? [] : isDns1035Label(name.toLowerCase());
  if (wrong.length === 0) return [];
  return [invalidValue(path, name, `may have mixed case, but should otherwise match: ${wrong.join(',')}`)];
}
