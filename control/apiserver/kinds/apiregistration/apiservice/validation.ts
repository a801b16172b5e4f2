/** What is wrong with an APIService. Source: kube-aggregator `pkg/apis/apiregistration/validation/validation.go`. */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1035Label, isDns1123Subdomain, isValidPortNum, nameIsPathSegment } from '#api/names.ts';
import { validateObjectMeta } from '#api/object-meta.ts';
import type { APIService } from '#api/types.generated.ts';

const statuses = ['True', 'False', 'Unknown'];

/** All of it, `metadata` included: its name is made of its version and group. */
export function validateApiService({ metadata, spec }: APIService): FieldError[] {
  const { group = '', version = '', groupPriorityMinimum, versionPriority } = spec;
  const wanted = `${version}.${group}`;
  const nameErrors = (name: string): string[] => {
    const unfit = nameIsPathSegment(name, false);
    if (unfit.length > 0 || name === wanted) return unfit;
    return [`must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`];
  };
  const legacyOnly = 'only v1 may have an empty group and it better be legacy kube';
  return [
    ...validateObjectMeta(metadata, { name: nameErrors, namespaced: false }),
    ...(group === '' && version !== 'v1' ? [required('spec.group', legacyOnly)] : []),
    ...(group === '' ? [] : isDns1123Subdomain(group).map((text) => invalidValue('spec.group', group, text))),
    ...isDns1035Label(version).map((text) => invalidValue('spec.version', version, text)),
    ...priorityErrors('spec.groupPriorityMinimum', groupPriorityMinimum, 20_000),
    ...priorityErrors('spec.versionPriority', versionPriority, 1000),
    ...(spec.service === undefined ? localErrors(spec) : remoteErrors(spec, spec.service)),
  ];
}

/** Of a write of `/status`. */
export const validateApiServiceStatus = ({ status }: APIService): FieldError[] =>
  (status?.conditions ?? []).flatMap((condition, index) =>
    statuses.includes(condition.status) ? [] : [notSupported(`status.conditions[${index}].status`, condition.status, statuses)],
  );

function priorityErrors(path: string, value = 0, highest: number): FieldError[] {
  return value > 0 && value <= highest ? [] : [invalidValue(path, value, `must be positive and less than ${highest}`)];
}

function localErrors({ caBundle = '', insecureSkipTLSVerify }: APIService['spec']): FieldError[] {
  const bytes = Buffer.from(caBundle, 'base64').length;
  const noBundle = 'local APIServices may not have a caBundle';
  const noSkip = 'local APIServices may not have insecureSkipTLSVerify';
  return [
    ...(bytes > 0 ? [invalidValue('spec.caBundle', `${bytes} bytes`, noBundle)] : []),
    ...(insecureSkipTLSVerify === true ? [invalidValue('spec.insecureSkipTLSVerify', true, noSkip)] : []),
  ];
}

function remoteErrors(spec: APIService['spec'], service: NonNullable<APIService['spec']['service']>): FieldError[] {
  const { namespace = '', name = '', port = 0 } = service;
  const wrongPort = isValidPortNum(port);
  const isUnchecked = spec.insecureSkipTLSVerify === true && (spec.caBundle ?? '') !== '';
  return [
    ...(namespace === '' ? [required('spec.service.namespace')] : []),
    ...(name === '' ? [required('spec.service.name')] : []),
    ...(wrongPort.length === 0 ? [] : [invalidValue('spec.service.port', port, `port is not valid: ${wrongPort.join(', ')}`)]),
    ...(isUnchecked ? [invalidValue('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present')] : []),
  ];
}
