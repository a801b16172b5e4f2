/** Ingresses. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { parseIpSloppy } from '#api/ip.ts';
import { isDns1123Label, isDns1123Subdomain, isValidPortName, isValidPortNum, isWildcardDns1123Subdomain } from '#api/names.ts';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressTLS } from '#api/types.generated.ts';
import { validateIp } from '../../../validation/ip.ts';
import { submitted } from '../../../validation/submitted.ts';
import { validateLocalReference } from '../reference-validation.ts';

/** The annotation that named a class before `spec.ingressClassName` existed. */
export const ingressClassAnnotation = 'kubernetes.io/ingress.class';
const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badEnds = ['/..', '/.'];

/** Validates an Ingress. Values that older versions allowed stay valid if `old` has them. @param old undefined on create */
export function validateIngress({ metadata, spec }: Ingress, old: Ingress | undefined): FieldError[] {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = spec;
  const errors: FieldError[] = [];
  if (rules.length === 0 && defaultBackend === undefined)
    errors.push(invalidValue('spec', rules, 'either `defaultBackend` or `rules` must be specified'));
  if (defaultBackend !== undefined) errors.push(...validateBackend(defaultBackend, 'spec.defaultBackend'));
  const looseWildcards = old !== undefined && hasLooseWildcards(old);
  errors.push(...rules.flatMap((rule, index) => validateRule(rule, `spec.rules[${index}]`, looseWildcards)));
  const looseSecrets = (old?.spec.tls ?? []).some(({ secretName }) => secretNameTexts(secretName).length > 0);
  errors.push(...tls.flatMap((one, index) => validateTls(one, `spec.tls[${index}]`, looseSecrets)));
  if (ingressClassName !== undefined) {
    const texts = isDns1123Subdomain(ingressClassName);
    errors.push(...texts.map((text) => invalidValue('spec.ingressClassName', ingressClassName, text)));
  }
  const annotated = metadata.annotations?.[ingressClassAnnotation];
  if (old !== undefined || annotated === undefined || ingressClassName === undefined || annotated === ingressClassName)
    return errors;
  const path = `annotations.${ingressClassAnnotation}`;
  return [...errors, invalidValue(path, annotated, 'must match `ingressClassName` when both are specified')];
}

/** Validates the status. Addresses that the old status has stay valid, even if they are not canonical. */
export function validateIngressStatus({ status }: Ingress, old: Ingress): FieldError[] {
  const accepted = new Set((old.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : [])));
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }, index) => {
    const path = `status.loadBalancer.ingress[${index}]`;
    return [...(ip ? validateIp(ip, `${path}.ip`, accepted) : []), ...(hostname ? validateHostname(hostname, path) : [])];
  });
}

function validateHostname(hostname: string, path: string): FieldError[] {
  const errors = isDns1123Subdomain(hostname).map((text) => invalidValue(`${path}.hostname`, hostname, text));
  return parseIpSloppy(hostname) === undefined ? errors : [...errors, invalidValue(`${path}.hostname`, hostname, noAddress)];
}

const noAddress = 'must be a DNS name, not an IP address';
const hostTexts = (host: string): string[] => (host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host));
const secretNameTexts = (name = ''): string[] => (name === '' ? [] : isDns1123Subdomain(name));

function validateTls({ hosts = [], secretName }: IngressTLS, path: string, looseSecrets: boolean): FieldError[] {
  const errors = hosts.flatMap((host, index) =>
    hostTexts(host).map((text) => invalidValue(`${path}.hosts[${index}]`, host, text)),
  );
  if (looseSecrets) return errors;
  return [...errors, ...secretNameTexts(secretName).map((text) => invalidValue(`${path}.secretName`, secretName, text))];
}

function validateRule(rule: IngressRule, path: string, looseWildcards: boolean): FieldError[] {
  const { host = '' } = rule;
  const errors: FieldError[] = [];
  if (host !== '') {
    if (parseIpSloppy(host) !== undefined) errors.push(invalidValue(`${path}.host`, host, noAddress));
    errors.push(...hostTexts(host).map((text) => invalidValue(`${path}.host`, host, text)));
  }
  return host.includes('*') && looseWildcards ? errors : [...errors, ...validatePaths(rule, path)];
}

function validatePaths({ http }: IngressRule, path: string): FieldError[] {
  if (http === undefined) return [];
  const { paths = [] } = submitted(http);
  if (paths.length === 0) return [required(`${path}.http.paths`)];
  return paths.flatMap((one, index) => validatePath(one, `${path}.http.paths[${index}]`));
}

/** Before 1.19, the rules of a wildcard host were not validated. */
const hasLooseWildcards = ({ spec }: Ingress): boolean =>
  (spec.rules ?? []).some((rule) => rule.host?.includes('*') === true && validatePaths(rule, '').length > 0);

function validatePath({ path = '', pathType, backend = {} }: Partial<HTTPIngressPath>, at: string): FieldError[] {
  if (pathType === undefined) return [required(`${at}.pathType`, 'pathType must be specified')];
  const bad = (why: string): FieldError => invalidValue(`${at}.path`, path, why);
  const errors: FieldError[] = [];
  const isAbsolute = path.startsWith('/');
  switch (pathType) {
    case 'Exact':
    case 'Prefix':
      if (!isAbsolute) errors.push(bad('must be an absolute path'));
      for (const part of badSequences) if (path.includes(part)) errors.push(bad(`must not contain '${part}'`));
      for (const end of badEnds) if (path.endsWith(end)) errors.push(bad(`cannot end with '${end}'`));
      break;
    case 'ImplementationSpecific':
      if (path !== '' && !isAbsolute) errors.push(bad('must be an absolute path'));
      break;
    default:
      errors.push(notSupported(`${at}.pathType`, pathType, pathTypes));
  }
  return [...errors, ...validateBackend(backend, `${at}.backend`)];
}

function validateBackend({ resource, service }: IngressBackend, path: string): FieldError[] {
  if (resource !== undefined && service !== undefined)
    return [invalidValue(path, '', 'cannot set both resource and service backends')];
  if (resource !== undefined) return validateLocalReference(resource, `${path}.resource`);
  if (service === undefined) return [invalidValue(path, '', 'resource or service backend is required')];
  const { name = '', port: { name: portName, number } = {} } = submitted(service);
  const at = `${path}.service`;
  const errors =
    name === '' ? [required(`${at}.name`)] : isDns1123Label(name).map((text) => invalidValue(`${at}.name`, name, text));
  if (portName && number) return [...errors, invalidValue(path, '', 'cannot set both port name & port number')];
  if (portName) return [...errors, ...isValidPortName(portName).map((text) => invalidValue(`${at}.port.name`, portName, text))];
  if (number) return [...errors, ...isValidPortNum(number).map((text) => invalidValue(`${at}.port.number`, number, text))];
  return [...errors, required(path, 'port name or number is required')];
}
