/**
 * What is wrong with webhooks of both kinds.
 *
 * Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go`; apiserver `pkg/util/webhook/validation.go`.
 */
import { duplicate, type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { sameJson } from '#api/meta.ts';
import { isDns1035Label, isDns1123Subdomain, isValidPortNum } from '#api/names.ts';
import type { MutatingWebhook, ServiceReference, ValidatingWebhook, WebhookClientConfig } from '#api/types.generated.ts';
import { validateMatchConditions } from './match-conditions-validation.ts';
import { validateRule } from './rules-validation.ts';

/** As clients send them: anything may be absent. */
type Webhook = Partial<ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>>;

const failurePolicies = ['Fail', 'Ignore'];
const matchPolicies = ['Equivalent', 'Exact'];
const reinvocationPolicies = ['IfNeeded', 'Never'];
const sideEffects = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const noSideEffects = ['None', 'NoneOnDryRun'];
const reviewVersions = ['v1', 'v1beta1'];

/** Which mistakes an update may keep, because the stored configuration has them already. */
interface Leniency {
  anySideEffects: boolean;
  anyReviewVersions: boolean;
  repeatedNames: boolean;
  sameConditions: boolean;
}

/** @param old undefined on create */
export function validateWebhooks(webhooks: readonly Webhook[] = [], old: readonly Webhook[] | undefined): FieldError[] {
  const lenient = leniency(webhooks, old);
  const names = new Set<string>();
  return webhooks.flatMap((webhook, index) => {
    const path = `webhooks[${index}]`;
    const { name = '' } = webhook;
    const isRepeated = !lenient.repeatedNames && name !== '' && names.has(name);
    names.add(name);
    return [
      ...validateWebhook(webhook, path, lenient),
      ...validateReviewVersions(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`, lenient),
      ...(isRepeated ? [duplicate(`${path}.name`, name)] : []),
    ];
  });
}

function leniency(webhooks: readonly Webhook[], old: readonly Webhook[] | undefined): Leniency {
  if (old === undefined) return { anySideEffects: false, anyReviewVersions: false, repeatedNames: false, sameConditions: false };
  return {
    anySideEffects: old.some((webhook) => !noSideEffects.includes(webhook.sideEffects ?? '')),
    anyReviewVersions: old.some(
      ({ admissionReviewVersions: versions = [] }) =>
        versions.length > 0 && !versions.some((one) => reviewVersions.includes(one)),
    ),
    repeatedNames: new Set(old.map(({ name }) => name)).size < old.length,
    sameConditions:
      old.length === webhooks.length &&
      old.every(({ matchConditions = [] }, index) => sameJson(matchConditions, webhooks[index]?.matchConditions ?? [])),
  };
}

function validateWebhook(webhook: Webhook, path: string, lenient: Leniency): FieldError[] {
  const { name = '', rules = [], failurePolicy, matchPolicy, timeoutSeconds, reinvocationPolicy, clientConfig = {} } = webhook;
  return [
    ...validateFullName(name, `${path}.name`),
    ...rules.flatMap((rule, index) => validateRule(rule, `${path}.rules[${index}]`)),
    ...oneOf(failurePolicy, failurePolicies, `${path}.failurePolicy`),
    ...oneOf(matchPolicy, matchPolicies, `${path}.matchPolicy`),
    ...validateSideEffects(webhook.sideEffects, `${path}.sideEffects`, lenient),
    ...(timeoutSeconds !== undefined && (timeoutSeconds > 30 || timeoutSeconds < 1)
      ? [invalidValue(`${path}.timeoutSeconds`, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds')]
      : []),
    ...validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`),
    ...validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`),
    ...oneOf(reinvocationPolicy, reinvocationPolicies, `${path}.reinvocationPolicy`),
    ...validateClientConfig(clientConfig, `${path}.clientConfig`),
    ...(lenient.sameConditions ? [] : validateMatchConditions(webhook.matchConditions ?? [], `${path}.matchConditions`)),
  ];
}

const oneOf = (value: string | undefined, allowed: readonly string[], path: string): FieldError[] =>
  value === undefined || allowed.includes(value) ? [] : [notSupported(path, value, allowed)];

/** `name.of.domain`, with three parts at least. */
function validateFullName(name: string, path: string): FieldError[] {
  if (name === '') return [required(path)];
  const wrong = isDns1123Subdomain(name);
  if (wrong.length > 0) return [invalidValue(path, name, wrong.join(','))];
  if (name.split('.').length >= 3) return [];
  return [invalidValue(path, name, 'should be a domain with at least three segments separated by dots')];
}

function validateSideEffects(value: string | undefined, path: string, { anySideEffects }: Leniency): FieldError[] {
  const allowed = anySideEffects ? sideEffects : noSideEffects;
  if (value === undefined || value === '') return [required(path, `must specify one of ${allowed.join(', ')}`)];
  return oneOf(value, allowed, path);
}

function validateReviewVersions(versions: readonly string[], path: string, { anyReviewVersions }: Leniency): FieldError[] {
  if (versions.length === 0) return [required(path, `must specify one of ${reviewVersions.join(', ')}`)];
  const seen = new Set<string>();
  const errors = versions.flatMap((version, index) => {
    const at = `${path}[${index}]`;
    if (seen.has(version)) return [invalidValue(at, version, 'duplicate version')];
    seen.add(version);
    return isDns1035Label(version).map((text) => invalidValue(at, version, text));
  });
  const isKnown = anyReviewVersions || versions.some((version) => reviewVersions.includes(version));
  return isKnown
    ? errors
    : [...errors, invalidValue(path, versions, `must include at least one of ${reviewVersions.join(', ')}`)];
}

/**
 * Problems of `clientConfig`, which is either a URL or a service. Conversion webhooks of custom resources have the same field.
 */
export function validateClientConfig({ url, service }: WebhookClientConfig, path: string): FieldError[] {
  if ((url === undefined) === (service === undefined)) return [required(path, 'exactly one of url or service is required')];
  return url !== undefined ? validateUrl(url, `${path}.url`) : validateService(service as ServiceReference, `${path}.service`);
}

const desiredForm = '; desired format: https://host[/path]';

function validateUrl(text: string, path: string): FieldError[] {
  const [, scheme = '', authority = '', , query, fragment] =
    /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text) ?? [];
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  const isValid = URL.canParse(text) || scheme === '' || host === '';
  if (!isValid) return [required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: invalid URL${desiredForm}`)];
  return [
    ...(scheme === 'https' ? [] : [invalidValue(path, scheme, `'https' is the only allowed URL scheme${desiredForm}`)]),
    ...(host === '' ? [invalidValue(path, host, `host must be specified${desiredForm}`)] : []),
    ...(at < 0 ? [] : [invalidValue(path, authority.slice(0, at), 'user information is not permitted in the URL')]),
    ...((fragment ?? '') === '' ? [] : [invalidValue(path, fragment, 'fragments are not permitted in the URL')]),
    ...((query ?? '') === '' ? [] : [invalidValue(path, query, 'query parameters are not permitted in the URL')]),
  ];
}

function validateService(
  { name = '', namespace = '', path: urlPath, port = 0 }: Partial<ServiceReference>,
  path: string,
): FieldError[] {
  const wrongPort = isValidPortNum(port);
  return [
    ...(name === '' ? [required(`${path}.name`)] : []),
    ...(namespace === '' ? [required(`${path}.namespace`)] : []),
    ...(wrongPort.length === 0 ? [] : [invalidValue(`${path}.port`, port, `port is not valid: ${wrongPort.join(', ')}`)]),
    ...validatePath(urlPath ?? '', `${path}.path`),
  ];
}

function validatePath(urlPath: string, path: string): FieldError[] {
  if (urlPath === '' || urlPath === '/') return [];
  if (urlPath === '//') return [invalidValue(path, urlPath, 'segment[0] may not be empty')];
  const errors = urlPath.startsWith('/') ? [] : [invalidValue(path, urlPath, "must start with a '/'")];
  const segments = urlPath.slice(1).replace(/\/$/, '').split('/');
  for (const [index, segment] of segments.entries()) {
    const wrong = segment === '' ? ['may not be empty'] : isDns1123Subdomain(segment).map((text) => `: ${text}`);
    errors.push(
      ...wrong.map((text) => invalidValue(path, urlPath, `segment[${index}]${text.startsWith(':') ? '' : ' '}${text}`)),
    );
  }
  return errors;
}
