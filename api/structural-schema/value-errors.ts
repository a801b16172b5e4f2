/**
 * Errors of values, with kube-openapi's texts and as the API server reports them.
 *
 * Errors are made as records first: whether they count is decided later (one of several schemas may fit, an old value may have been as
 * wrong).
 *
 * Source: kube-openapi `pkg/validation/errors/schema.go`; apiextensions-apiserver `pkg/apiserver/validation/validation.go`
 * (kubeOpenAPIResultToFieldErrors).
 */
import { type FieldError, invalidValue, notSupported, required, tooLong, tooMany, typeInvalid } from '../field-error.ts';
import { childPath } from './structural-schema.ts';

/** One thing that is wrong. Two with the same message are one. */
export interface ValueError {
  /** How it is reported; `loose`: without the place, which the message has. */
  kind: 'required' | 'enum' | 'tooLong' | 'tooMany' | 'type' | 'invalid' | 'loose';
  /** Dots and brackets from the value that was checked: `spec.items[0]`, with a dot in front for members of a value without a path. */
  path: string;
  message: string;
  value?: unknown;
  /** The limit, or the values that are allowed. */
  valid?: number | readonly unknown[];
}

/**
 * The errors found, and how many parts of the schema match: of several schemas that do not match, the errors of the best one are reported.
 */
export class Result {
  #errors: Map<string, ValueError> | undefined;
  matches = 0;

  get isValid(): boolean {
    return this.#errors === undefined;
  }

  get errors(): readonly ValueError[] {
    return this.#errors === undefined ? [] : [...this.#errors.values()];
  }

  add(error: ValueError): void {
    this.#errors ??= new Map();
    if (!this.#errors.has(error.message)) this.#errors.set(error.message, error);
  }

  merge(other: Result): void {
    for (const error of other.errors) this.add(error);
    this.matches += other.matches;
  }
}

/** @param at the path of the value that was checked; `<nil>` is what Go prints of none */
export function toFieldErrors(errors: readonly ValueError[], at = ''): FieldError[] {
  return errors.map((error) => toFieldError(error, at));
}

/** How a place without a path is shown. */
export const noPath = '<nil>';

function toFieldError({ kind, path, message, value, valid }: ValueError, at: string): FieldError {
  const name = path === '.' ? '' : path.replace(/^\./, '');
  const joined = name === '' ? at : childPath(at, name);
  const field = joined === '' ? noPath : joined;
  const shown = value ?? '';
  switch (kind) {
    case 'required':
      return required(field);
    case 'enum':
      return notSupported(field, value, (valid as readonly unknown[]).map(enumText));
    case 'tooLong':
      return tooLong(field, valid as number);
    case 'tooMany':
      return tooMany(field, value as number, valid as number);
    case 'type':
      return typeInvalid(field, shown, message);
    case 'invalid':
      return invalidValue(field, shown, message);
    default:
      return invalidValue(at === '' ? noPath : at, '', message);
  }
}

const enumText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
