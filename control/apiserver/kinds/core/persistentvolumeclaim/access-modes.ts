/** Access modes of claims and volumes. Source: upstream `pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper/helpers.go`. */
import { type FieldError, forbiddenField, notSupported } from '#api/field-error.ts';

/** In the order in which they are shown. */
const shortNames: readonly [mode: string, short: string][] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];
const supported = shortNames.map(([mode]) => mode).sort();

/** What `volumeMode` may be, in the order in which error texts list it. */
export const volumeModes = ['Block', 'Filesystem'];

/** Each mode is known, and ReadWriteOncePod stands alone. */
export function validateAccessModes(modes: readonly string[], path: string): FieldError[] {
  const errors = modes.filter((mode) => !supported.includes(mode)).map((mode) => notSupported(path, mode, supported));
  const known = new Set(modes.filter((mode) => supported.includes(mode)));
  if (known.has('ReadWriteOncePod') && known.size > 1)
    errors.push(forbiddenField(path, 'may not use ReadWriteOncePod with other access modes'));
  return errors;
}

/** `RWO,ROX`; each once. */
export function accessModesText(modes: readonly string[] = []): string {
  return shortNames.flatMap(([mode, short]) => (modes.includes(mode) ? [short] : [])).join(',');
}
