/**
 * `--authorization-config`: an AuthorizationConfiguration (apiserver.config.k8s.io), read strictly and checked as upstream does.
 *
 * Source: apiserver `pkg/apis/apiserver/v1/types.go`, `pkg/apis/apiserver/validation/validation.go`; kubernetes.io, Configuring the API Server
 * using an Authorization Config File.
 */
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import { duplicate, type FieldError, invalidValue, notSupported, required, tooMany } from '#api/field-error.ts';
import { isDns1123Subdomain } from '#api/names.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { type Expression, ExpressionError } from '../../expressions/expression.ts';
import { type AuthorizationMode, authorizationModes } from '../mode-names.ts';
import type { AuthorizerSpec } from '../modes.ts';
import { reviewCompiler } from '../webhook/webhook-authorizer.ts';

/** The file is invalid. The message lists all its errors. */
export class AuthorizationConfigurationError extends Error {
  override name = 'AuthorizationConfigurationError';
}

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);
const shape: Shape = {
  fields: {
    apiVersion: 'string',
    kind: 'string',
    authorizers: {
      list: {
        fields: {
          type: 'string',
          name: 'string',
          webhook: {
            fields: {
              authorizedTTL: 'string',
              cacheAuthorizedRequests: 'boolean',
              unauthorizedTTL: 'string',
              cacheUnauthorizedRequests: 'boolean',
              timeout: 'string',
              subjectAccessReviewVersion: 'string',
              matchConditionSubjectAccessReviewVersion: 'string',
              failurePolicy: 'string',
              connectionInfo: { fields: { type: 'string', kubeConfigFile: 'string' } },
              matchConditions: { list: { fields: { expression: 'string' } } },
            },
          },
        },
      },
    },
  },
};

interface WrittenWebhook {
  authorizedTTL?: string;
  cacheAuthorizedRequests?: boolean | null;
  unauthorizedTTL?: string;
  cacheUnauthorizedRequests?: boolean | null;
  timeout?: string;
  subjectAccessReviewVersion?: string;
  matchConditionSubjectAccessReviewVersion?: string;
  failurePolicy?: string;
  connectionInfo?: { type?: string; kubeConfigFile?: string | null };
  matchConditions?: { expression?: string }[] | null;
}

interface Written {
  apiVersion?: string;
  kind?: string;
  authorizers?: { type?: string; name?: string; webhook?: WrittenWebhook | null }[] | null;
}

/** The authorizers in their order. @throws AuthorizationConfigurationError */
export function parseAuthorizationConfiguration(text: string): readonly AuthorizerSpec[] {
  const { authorizers } = readConfigFile(text, fileKind) as Written;
  const errors: FieldError[] = [];
  if ((authorizers ?? []).length === 0) errors.push(required('authorizers', 'at least one authorization mode must be defined'));
  const [seenTypes, seenNames] = [new Set<string>(), new Set<string>()];
  const chain: AuthorizerSpec[] = [];
  for (const [index, { type = '', name = '', webhook }] of (authorizers ?? []).entries()) {
    const at = `authorizers[${index}]`;
    if (type === '') errors.push(required(`${at}.type`));
    else if (!isMode(type) && type !== 'Webhook')
      errors.push(notSupported(`${at}.type`, type, [...authorizationModes, 'Webhook'].sort()));
    else if (seenTypes.has(type) && type !== 'Webhook') errors.push(duplicate(`${at}.type`, type));
    else {
      seenTypes.add(type);
      checkName(name, seenNames, `${at}.name`, errors);
      seenNames.add(name);
      if (isMode(type)) {
        if (webhook !== undefined && webhook !== null)
          errors.push(invalidValue(`${at}.webhook`, 'non-null', 'may only be specified when type=Webhook'));
        chain.push(type);
      } else if (webhook === undefined || webhook === null) errors.push(required(`${at}.webhook`, 'required when type=Webhook'));
      else {
        const read = readWebhook(webhook, name, at, errors);
        if (read !== undefined) chain.push(read);
      }
    }
  }
  if (errors.length > 0) throw new AuthorizationConfigurationError(aggregate(errors));
  return chain;
}

const isMode = (type: string): type is AuthorizationMode => authorizationModes.some((mode) => mode === type);

const fileKind: ConfigFileKind = {
  kind: 'AuthorizationConfiguration',
  apiVersions: versions,
  shape,
  problem: AuthorizationConfigurationError,
};

function checkName(name: string, seen: ReadonlySet<string>, path: string, errors: FieldError[]): void {
  if (name === '') errors.push(required(path));
  else if (seen.has(name)) errors.push(duplicate(path, name));
  else {
    const problems = isDns1123Subdomain(name);
    if (problems.length > 0) errors.push(invalidValue(path, name, `authorizer name is invalid: ${problems.join(', ')}`));
  }
}

/** Upstream's defaults. */
const defaults = { authorizedTTL: '5m', unauthorizedTTL: '30s' };

function readWebhook(written: WrittenWebhook, name: string, path: string, errors: FieldError[]): AuthorizerSpec | undefined {
  const { subjectAccessReviewVersion: version = '', failurePolicy = '' } = written;
  const timeoutMs = duration(
    written.timeout,
    `${path}.timeout`,
    errors,
    (ms) => ms > 0 && ms <= 30_000,
    'must be > 0s and <= 30s',
  );
  const ttl = (key: 'authorizedTTL' | 'unauthorizedTTL'): number =>
    duration(written[key] ?? defaults[key], `${path}.${key}`, errors, (ms) => ms > 0, 'must be > 0s');
  const [authorizedMs, unauthorizedMs] = [ttl('authorizedTTL'), ttl('unauthorizedTTL')];
  if (version === '') errors.push(required(`${path}.subjectAccessReviewVersion`));
  else if (version !== 'v1' && version !== 'v1beta1')
    errors.push(notSupported(`${path}.subjectAccessReviewVersion`, version, ['v1', 'v1beta1']));
  const conditions = written.matchConditions ?? [];
  const conditionVersion = written.matchConditionSubjectAccessReviewVersion ?? '';
  if (conditionVersion === '' && conditions.length > 0)
    errors.push(required(`${path}.matchConditionSubjectAccessReviewVersion`, 'required if match conditions are specified'));
  if (conditionVersion !== '' && conditionVersion !== 'v1')
    errors.push(notSupported(`${path}.matchConditionSubjectAccessReviewVersion`, conditionVersion, ['v1']));
  if (failurePolicy === '') errors.push(required(`${path}.failurePolicy`));
  else if (failurePolicy !== 'NoOpinion' && failurePolicy !== 'Deny')
    errors.push(notSupported(`${path}.failurePolicy`, failurePolicy, ['NoOpinion', 'Deny']));
  const config = readConnection(written.connectionInfo ?? {}, `${path}.connectionInfo`, errors);
  const matchConditions = readConditions(conditions, `${path}.matchConditions`, errors);
  if (config === undefined) return undefined;
  return {
    name,
    config,
    version: version === 'v1' ? 'v1' : 'v1beta1',
    authorizedMs: written.cacheAuthorizedRequests === false ? 0 : authorizedMs,
    unauthorizedMs: written.cacheUnauthorizedRequests === false ? 0 : unauthorizedMs,
    timeoutMs,
    onFailure: failurePolicy === 'Deny' ? 'Deny' : 'NoOpinion',
    matchConditions,
  };
}

function duration(
  text: string | undefined,
  path: string,
  errors: FieldError[],
  isGood: (ms: number) => boolean,
  rule: string,
): number {
  if (text === undefined) {
    errors.push(required(path));
    return 0;
  }
  try {
    const ms = parseDuration(text);
    if (ms === 0) errors.push(required(path));
    else if (!isGood(ms)) errors.push(invalidValue(path, text, rule));
    return ms;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    errors.push(invalidValue(path, text, error.message));
    return 0;
  }
}

function readConnection(
  { type = '', kubeConfigFile }: { type?: string; kubeConfigFile?: string | null },
  path: string,
  errors: FieldError[],
) {
  const file = `${path}.kubeConfigFile`;
  if (type === '') errors.push(required(`${path}.type`));
  // Reviews by an in-cluster client configuration are not implemented.
  else if (type !== 'KubeConfigFile') errors.push(notSupported(`${path}.type`, type, ['KubeConfigFile']));
  else if (!kubeConfigFile) errors.push(required(file));
  else if (!isAbsolute(kubeConfigFile)) errors.push(invalidValue(file, kubeConfigFile, 'must be an absolute path'));
  else {
    try {
      if (statSync(kubeConfigFile).isFile()) return loadKubeconfig(kubeConfigFile);
      errors.push(invalidValue(file, kubeConfigFile, 'must be a regular file'));
    } catch (error) {
      errors.push(invalidValue(file, kubeConfigFile, `error loading file: ${errorText(error)}`));
    }
  }
  return undefined;
}

const maxConditions = 64;

function readConditions(conditions: readonly { expression?: string }[], path: string, errors: FieldError[]): Expression[] {
  if (conditions.length > maxConditions) {
    errors.push(tooMany(path, conditions.length, maxConditions));
    return [];
  }
  const seen = new Set<string>();
  return conditions.flatMap(({ expression = '' }, index) => {
    const at = `${path}[${index}].expression`;
    if (expression.trim() === '') errors.push(required(at));
    else if (seen.has(expression)) errors.push(duplicate(at, expression));
    else {
      seen.add(expression);
      try {
        return [reviewCompiler.compile(expression, 'bool')];
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        errors.push(invalidValue(at, expression, error.message));
      }
    }
    return [];
  });
}
