/**
 * The names of fields in expressions: `foo-bar` is `foo__dash__bar`.
 *
 * Source: apiserver `pkg/cel/escaping.go`.
 */

const reserved: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

const escapes: Readonly<Record<string, string>> = { __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__' };

/** Whether a name is a reserved word of CEL. As a field it may be written unescaped too. */
export const isReserved = (name: string): boolean => reserved.has(name);

/** The name of a field in expressions. Undefined when it cannot be escaped. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[-./]/g, (part) => escapes[part] as string);
}
