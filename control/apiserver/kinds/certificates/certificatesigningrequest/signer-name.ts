/** Names of signers: `example.com/my-signer`. Source: upstream `pkg/apis/core/validation/names.go` (ValidateSignerName). */
import { type FieldError, invalidValue, required, tooLong } from '#api/field-error.ts';
import { isDns1123Label, isDns1123Subdomain, labelMaxLength, subdomainMaxLength } from '#api/names.ts';

const maxPathLength = subdomainMaxLength + labelMaxLength + 1;
const maxLength = subdomainMaxLength + maxPathLength + 1;

/**
 * Problems of `<domain>/<path>`, the name of a signer. Source: upstream `pkg/apis/certificates/validation` (ValidateSignerName).
 */
export function validateSignerName(name: string, path: string): FieldError[] {
  if (name === '') return [required(path)];
  const segments = name.split('/');
  const [domain = '', rest = ''] = segments;
  if (segments.length !== 2)
    return [invalidValue(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  return [
    ...(domain.length > subdomainMaxLength ? [tooLong(path, subdomainMaxLength)] : []),
    ...firstProblem(domain, isDns1123Label, path),
    ...(domain.includes('.')
      ? []
      : [invalidValue(path, domain, 'should be a domain with at least two segments separated by dots')]),
    ...firstProblem(rest, isDns1123Subdomain, path),
    ...(name.length > maxLength ? [tooLong(path, maxLength)] : []),
  ];
}

/** What is wrong with the first part between dots that is not well formed. */
function firstProblem(segment: string, check: (part: string) => string[], path: string): FieldError[] {
  for (const part of segment.split('.')) {
    const texts = check(part);
    if (texts.length > 0)
      return texts.map((text) => invalidValue(path, segment, `validating label ${JSON.stringify(part)}: ${text}`));
  }
  return [];
}
