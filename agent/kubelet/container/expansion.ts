/**
 * `$(VAR)` references in commands, arguments and environment values; `$$` is a dollar sign; an unknown variable stays as written.
 *
 * Source: kubernetes.io "Define Dependent Environment Variables"; upstream `third_party/forked/golang/expansion`.
 */

/** Linux' limit of a program's arguments and environment together, in bytes. Source: execve(2). */
const maxExecBytes = 6 * 2 ** 20;

/**
 * Checks the total length of a program's arguments and variables while it grows. Nested `$(VAR)` references let a short pod produce more
 * text than fits in memory.
 * @throws Error when the length is over Linux' limit
 */
export function checkExecLength(characters: number): void {
  if (characters > maxExecBytes)
    throw new Error(`argument list too long: a program can have ${maxExecBytes} bytes of arguments and environment`);
}

/**
 * Expands `$(NAME)` by `lookup`. Pure.
 * @throws Error when the values are longer than a program's arguments can be
 */
export function expand(input: string, lookup: (name: string) => string | undefined): string {
  let length = 0;
  return input.replace(/\$(\$|\(([^()]*)\))/g, (whole, what: string, name: string | undefined) => {
    const value = what === '$' ? '$' : (lookup(name ?? '') ?? whole);
    length += value.length;
    checkExecLength(length);
    return value;
  });
}

/** A lookup in several maps: the first one that has the name counts. */
export const lookupIn =
  (...maps: readonly ReadonlyMap<string, string>[]) =>
  (name: string): string | undefined =>
    maps.find((map) => map.has(name))?.get(name);
