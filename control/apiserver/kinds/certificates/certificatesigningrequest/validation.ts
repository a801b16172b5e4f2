/** CertificateSigningRequests. Source: upstream `pkg/apis/certificates/validation/validation.go`, whose texts these are. */

import { legacyUnknownSigner } from '#api/certificates/signers.ts';
import { certificateUsages } from '#api/certificates/usages.ts';
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { parseCertificateRequest } from '#api/x509/certificate-request.ts';
import { DerError } from '#api/x509/der.ts';
import { submitted } from '../../../validation/submitted.ts';
import { issuedCertificateProblem } from './certificate.ts';
import { conditionsOf } from './conditions.ts';
import { validateSignerName } from './signer-name.ts';

/** Which endpoint writes. */
type Endpoint = '' | 'approval' | 'status';

const minSeconds = 600;

/** What is wrong with a new request, besides `metadata`. */
export function validateRequest(object: CertificateSigningRequest): FieldError[] {
  return validateWhole(object, undefined);
}

/** Problems of a changed request, besides `metadata`. A mistake that the stored request has as well is accepted. */
export function validateRequestUpdate(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
  endpoint: Endpoint,
): FieldError[] {
  return [
    ...validateWhole(object, old),
    ...validateConditionChanges(object, old, endpoint),
    ...validateCertificateChange(object, old, endpoint),
  ];
}

function validateWhole(object: CertificateSigningRequest, old: CertificateSigningRequest | undefined): FieldError[] {
  const { request = '', usages = [], signerName = '', expirationSeconds } = submitted(object.spec);
  return [
    ...validatePkcs10(request, old),
    ...validateUsages(usages, old?.spec.usages),
    ...(signerName === legacyUnknownSigner && old?.spec.signerName !== legacyUnknownSigner
      ? [invalidValue('spec.signerName', signerName, 'the legacy signerName is not allowed via this API version')]
      : validateSignerName(signerName, 'spec.signerName')),
    ...(expirationSeconds !== undefined && expirationSeconds < minSeconds
      ? [
          invalidValue(
            'spec.expirationSeconds',
            expirationSeconds,
            'may not specify a duration less than 600 seconds (10 minutes)',
          ),
        ]
      : []),
    ...validateConditions(object, old),
    ...validateCertificate(object, old),
  ];
}

/** Problems of the PKCS#10 request. The stored one was verified when it was created, and it never changes. */
function validatePkcs10(request: string, old: CertificateSigningRequest | undefined): FieldError[] {
  if (old?.spec.request === request) return [];
  try {
    parseCertificateRequest(request).checkSignature();
    return [];
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return [invalidValue('spec.request', request, error.message)];
  }
}

function validateUsages(usages: readonly string[], old: readonly string[] | undefined): FieldError[] {
  const known: ReadonlySet<string> = new Set(certificateUsages);
  const mayBeUnknown = old?.some((usage) => !known.has(usage)) === true;
  const mayRepeat = old !== undefined && new Set(old).size < old.length;
  const seen = new Set<string>();
  return [
    ...(usages.length === 0 ? [required('spec.usages')] : []),
    ...usages.flatMap((usage, index) =>
      mayBeUnknown || known.has(usage) ? [] : [notSupported(`spec.usages[${index}]`, usage, certificateUsages)],
    ),
    ...usages.flatMap((usage, index) => {
      const isRepeated = seen.has(usage) && !mayRepeat;
      seen.add(usage);
      return isRepeated ? [duplicate(`spec.usages[${index}]`, usage)] : [];
    }),
  ];
}

/** Condition types of which only the status `True` makes sense. */
const decisive: ReadonlySet<string> = new Set(['Approved', 'Denied', 'Failed']);

function validateConditions(object: CertificateSigningRequest, old: CertificateSigningRequest | undefined): FieldError[] {
  const path = 'status.conditions';
  const oldTypes = old === undefined ? [] : conditionsOf(old).map(({ type }) => type ?? '');
  const mayRepeat = new Set(oldTypes).size < oldTypes.length;
  const mayBeBoth = oldTypes.includes('Approved') && oldTypes.includes('Denied');
  const seen = new Set<string>();
  return conditionsOf(object).flatMap((condition, index) => {
    const { type = '', status = '' } = submitted(condition);
    const errors: FieldError[] = [];
    if (type === '' && !oldTypes.includes('')) errors.push(required(`${path}[${index}].type`));
    const allowed = decisive.has(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (status === '') errors.push(required(`${path}[${index}].status`));
    else if (!allowed.includes(status)) errors.push(notSupported(`${path}[${index}].status`, status, allowed));
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (other !== undefined && seen.has(other) && !mayBeBoth)
      errors.push(invalidValue(path, type, 'Approved and Denied conditions are mutually exclusive'));
    if (seen.has(type) && !mayRepeat) errors.push(duplicate(`${path}[${index}].type`, type));
    seen.add(type);
    return errors;
  });
}

function validateCertificate(object: CertificateSigningRequest, old: CertificateSigningRequest | undefined): FieldError[] {
  const [now, before] = [object, old].map((one) => one?.status?.certificate ?? '');
  if (old !== undefined && (now === before || issuedCertificateProblem(before ?? '') !== undefined)) return [];
  const problem = issuedCertificateProblem(now ?? '');
  return problem === undefined ? [] : [invalidValue('status.certificate', '<certificate data>', problem)];
}

function validateConditionChanges(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
  endpoint: Endpoint,
): FieldError[] {
  const count = (one: CertificateSigningRequest, type: string): number =>
    conditionsOf(one).filter((condition) => condition.type === type).length;
  const forbidden = (what: 'add' | 'remove', type: string): FieldError =>
    forbiddenField('status.conditions', `updates may not ${what} a condition of type ${JSON.stringify(type)}`);
  const removed = [...decisive].filter((type) => count(object, type) < count(old, type));
  // A write of `/status` may still contain them, as they are stored: see keepConditions.
  const added = endpoint === 'approval' ? [] : ['Approved', 'Denied'].filter((type) => count(object, type) > count(old, type));
  return [...removed.map((type) => forbidden('remove', type)), ...added.map((type) => forbidden('add', type))];
}

function validateCertificateChange(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
  endpoint: Endpoint,
): FieldError[] {
  const before = old.status?.certificate ?? '';
  if ((object.status?.certificate ?? '') === before) return [];
  if (endpoint !== 'status') return [forbiddenField('status.certificate', 'updates may not set certificate content')];
  return before === '' ? [] : [forbiddenField('status.certificate', 'updates may not modify existing certificate content')];
}
