/**
 * `$(VAR)` references in commands, arguments and environment values; `$$` is a dollar sign; an unknown variable stays as written.
 *
 * Source: kubernetes.io "Define Dependent Environment Variables"; upstream `third_party/forked/golang/expansion`.
 */

/** Expands `$(NAME)` by `lookup`. Pure. */
export function expand(input: string, lookup: (name: string) => string | undefined): string {
  return input.replace(/\$(\$|\(([^()]*)\))/g, (whole, what: string, name: string | undefined) => {
    if (what === '$') return '$';
    return lookup(name ?? '') ?? whole;
  });
}

/** A lookup in several maps: the first one that has the name counts. */
export const lookupIn =
  (...maps: readonly ReadonlyMap<string, string>[]) =>
  (name: string): string | undefined =>
    maps.find((map) => map.has(name))?.get(name);
