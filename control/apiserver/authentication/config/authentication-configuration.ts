/**
 * `--authentication-config`: an AuthenticationConfiguration (apiserver.config.k8s.io), read strictly and checked as upstream does. Pure.
 *
 * Source: apiserver `pkg/apis/apiserver/v1/types.go`, `pkg/apis/apiserver/validation/validation.go`; kubernetes.io, Authenticating (using
 * authentication configuration).
 */
import { X509Certificate } from 'node:crypto';
import * as types from '#api/cel/types.ts';
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { duplicate, type FieldError, invalidValue, required, tooMany } from '#api/field-error.ts';
import { type Expression, ExpressionCompiler, ExpressionError } from '../../expressions/expression.ts';
import { pemCertificates } from '../../serving/pem-certificates.ts';
import { validateDomainPrefixedPath } from '../../validation/paths.ts';
import type { ClaimMapping, JwtIssuer } from '../oidc/jwt-issuer.ts';
import { urlProblems } from '../oidc/jwt-issuer.ts';

/** The contents of the file. */
export interface AuthenticationConfiguration {
  issuers: readonly JwtIssuer[];
  /** Absent: `--anonymous-auth` decides. */
  anonymous?: { enabled: boolean; paths: readonly string[] } | undefined;
}

/** The file is invalid. The message lists all its errors. */
export class AuthenticationConfigurationError extends Error {
  override name = 'AuthenticationConfigurationError';
}

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);

const prefixed: Shape = { fields: { claim: 'string', prefix: 'string', expression: 'string' } };
const shape: Shape = {
  fields: {
    apiVersion: 'string',
    kind: 'string',
    jwt: {
      list: {
        fields: {
          issuer: {
            fields: {
              url: 'string',
              discoveryURL: 'string',
              certificateAuthority: 'string',
              audiences: { list: 'string' },
              audienceMatchPolicy: 'string',
              egressSelectorType: 'string',
            },
          },
          claimValidationRules: {
            list: { fields: { claim: 'string', requiredValue: 'string', expression: 'string', message: 'string' } },
          },
          claimMappings: {
            fields: {
              username: prefixed,
              groups: prefixed,
              uid: { fields: { claim: 'string', expression: 'string' } },
              extra: { list: { fields: { key: 'string', valueExpression: 'string' } } },
            },
          },
          userValidationRules: { list: { fields: { expression: 'string', message: 'string' } } },
        },
      },
    },
    anonymous: { fields: { enabled: 'boolean', conditions: { list: { fields: { path: 'string' } } } } },
  },
};

interface Mapping {
  claim?: string | null;
  prefix?: string | null;
  expression?: string | null;
}

interface Written {
  apiVersion?: string;
  kind?: string;
  jwt?: WrittenIssuer[] | null;
  anonymous?: { enabled?: boolean; conditions?: { path?: string }[] | null } | null;
}

interface WrittenIssuer {
  issuer?: {
    url?: string;
    discoveryURL?: string | null;
    certificateAuthority?: string;
    audiences?: string[] | null;
    audienceMatchPolicy?: string;
    egressSelectorType?: string;
  };
  claimValidationRules?: { claim?: string; requiredValue?: string; expression?: string; message?: string }[] | null;
  claimMappings?: {
    username?: Mapping;
    groups?: Mapping;
    uid?: Mapping;
    extra?: { key?: string; valueExpression?: string }[] | null;
  };
  userValidationRules?: { expression?: string; message?: string }[] | null;
}

/**
 * @param disallowed issuers that the file must not name: those of service accounts
 * @throws AuthenticationConfigurationError
 */
export function parseAuthenticationConfiguration(text: string, disallowed: readonly string[]): AuthenticationConfiguration {
  const written = readConfigFile(text, fileKind) as Written;
  const errors: FieldError[] = [];
  const jwt = written.jwt ?? [];
  if (jwt.length > maxIssuers) errors.push(tooMany('jwt', jwt.length, maxIssuers));
  const issuers = jwt.map((one, index) => readIssuer(one, `jwt[${index}]`, disallowed, errors));
  checkUnique(jwt, errors);
  const { enabled = false, conditions } = written.anonymous ?? {};
  const paths = (conditions ?? []).map(({ path = '' }) => path);
  if (!enabled && paths.length > 0)
    errors.push(invalidValue('anonymous.conditions', conditions, 'enabled should be set to true when conditions are defined'));
  if (errors.length > 0) throw new AuthenticationConfigurationError(aggregate(errors));
  return {
    issuers,
    anonymous: written.anonymous === undefined || written.anonymous === null ? undefined : { enabled, paths },
  };
}

const maxIssuers = 64;

const fileKind: ConfigFileKind = {
  kind: 'AuthenticationConfiguration',
  apiVersions: versions,
  shape,
  problem: AuthenticationConfigurationError,
};

function checkUnique(jwt: readonly WrittenIssuer[], errors: FieldError[]): void {
  const [urls, discoveryUrls] = [new Set<string>(), new Set<string>()];
  for (const [index, { issuer: { url = '', discoveryURL } = {} }] of jwt.entries()) {
    if (urls.has(url)) errors.push(duplicate(`jwt[${index}].issuer.url`, url));
    urls.add(url);
    if (discoveryURL === undefined || discoveryURL === null || discoveryURL === '') continue;
    if (discoveryUrls.has(discoveryURL)) errors.push(duplicate(`jwt[${index}].issuer.discoveryURL`, discoveryURL));
    discoveryUrls.add(discoveryURL);
  }
}

const claimsCompiler = new ExpressionCompiler('claims', types.mapType(types.stringType, types.dynType));
const texts = types.listType(types.stringType);
const userField = (type: types.Type, property: string): types.Field => ({ type, property });
const userCompiler = new ExpressionCompiler(
  'user',
  types.structType(
    'kubernetes.UserInfo',
    new Map([
      ['username', userField(types.stringType, 'username')],
      ['uid', userField(types.stringType, 'uid')],
      ['groups', userField(texts, 'groups')],
      ['extra', userField(types.mapType(types.stringType, texts), 'extra')],
    ]),
  ),
);

function compiled(
  compiler: ExpressionCompiler,
  source: string,
  path: string,
  errors: FieldError[],
  mustBe?: 'bool',
): Expression[] {
  if (source.trim() === '') {
    errors.push(required(path));
    return [];
  }
  try {
    return [compiler.compile(source, mustBe)];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    errors.push(invalidValue(path, source, error.message));
    return [];
  }
}

function readIssuer(written: WrittenIssuer, path: string, disallowed: readonly string[], errors: FieldError[]): JwtIssuer {
  const { issuer = {}, claimMappings = {} } = written;
  checkIssuer(issuer, `${path}.issuer`, disallowed, errors);
  const rules = readClaimRules(written.claimValidationRules ?? [], `${path}.claimValidationRules`, errors);
  const at = `${path}.claimMappings`;
  const username = readMapping(claimMappings.username ?? {}, `${at}.username`, true, errors);
  const groups = readMapping(claimMappings.groups ?? {}, `${at}.groups`, false, errors);
  const uid = readUid(claimMappings.uid ?? {}, `${at}.uid`, errors);
  const extra = readExtra(claimMappings.extra ?? [], `${at}.extra`, errors);
  const verifying = [...rules.expressions, ...extra].map(({ expression }) => expression);
  if (username !== undefined && 'expression' in username && username.expression.reads('email'))
    if (![username.expression, ...verifying].some((one) => one.reads('email_verified')))
      errors.push(invalidValue(`${at}.username.expression`, username.expression.source, emailRule));
  return {
    url: issuer.url ?? '',
    discoveryUrl: issuer.discoveryURL || undefined,
    audiences: issuer.audiences ?? [],
    ca: issuer.certificateAuthority || undefined,
    username: username ?? { claim: '', prefix: '' },
    groups,
    uid,
    extra,
    requiredClaims: rules.required,
    claimRules: rules.expressions,
    userRules: readUserRules(written.userValidationRules ?? [], `${path}.userValidationRules`, errors),
    signingAlgs: allAlgorithms,
  };
}

/** The default of the flags is RS256 alone. With the file all algorithms are accepted. */
const allAlgorithms = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];
const emailRule =
  'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression';

function checkIssuer(
  issuer: NonNullable<WrittenIssuer['issuer']>,
  path: string,
  disallowed: readonly string[],
  errors: FieldError[],
): void {
  const {
    url = '',
    discoveryURL,
    certificateAuthority = '',
    audiences,
    audienceMatchPolicy = '',
    egressSelectorType = '',
  } = issuer;
  const urlErrors = (field: string, text: string, not: readonly string[]): void =>
    void errors.push(...urlProblems(text, not).map((why) => invalidValue(field, text, why)));
  if (url === '') errors.push(required(`${path}.url`));
  else urlErrors(`${path}.url`, url, disallowed);
  if (discoveryURL !== undefined && discoveryURL !== null && discoveryURL !== '') {
    const bare = (text: string): string => text.replace(/\/+$/, '');
    if (url !== '' && bare(url) === bare(discoveryURL))
      errors.push(invalidValue(`${path}.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'));
    urlErrors(`${path}.discoveryURL`, discoveryURL, []);
  }
  checkAudiences(audiences ?? [], audienceMatchPolicy, path, errors);
  if (certificateAuthority !== '' && !areCertificates(certificateAuthority))
    errors.push(
      invalidValue(`${path}.certificateAuthority`, '<omitted>', 'data does not contain any valid RSA or ECDSA certificates'),
    );
  // EgressSelectorConfiguration is not implemented, so the server refuses to start instead of ignoring the field.
  if (egressSelectorType !== '')
    errors.push(invalidValue(`${path}.egressSelectorType`, egressSelectorType, 'there are no egress selectors in this server'));
}

function checkAudiences(audiences: readonly string[], policy: string, path: string, errors: FieldError[]): void {
  if (audiences.length === 0) {
    errors.push(required(`${path}.audiences`, `at least one ${path}.audiences is required`));
    return;
  }
  for (const [index, audience] of audiences.entries()) {
    if (audience === '') errors.push(required(`${path}.audiences[${index}]`));
    if (audiences.indexOf(audience) < index) errors.push(duplicate(`${path}.audiences[${index}]`, audience));
  }
  const field = `${path}.audienceMatchPolicy`;
  if (audiences.length > 1 && policy !== 'MatchAny')
    errors.push(invalidValue(field, policy, 'audienceMatchPolicy must be MatchAny for multiple audiences'));
  if (audiences.length === 1 && policy !== '' && policy !== 'MatchAny')
    errors.push(invalidValue(field, policy, 'audienceMatchPolicy must be empty or MatchAny for single audience'));
}

function areCertificates(pem: string): boolean {
  const found = pemCertificates(pem);
  try {
    for (const one of found) new X509Certificate(one);
    return found.length > 0;
  } catch {
    return false; // The block is not a certificate.
  }
}

function readClaimRules(rules: NonNullable<WrittenIssuer['claimValidationRules']>, path: string, errors: FieldError[]) {
  const requiredClaims = new Map<string, string>();
  const expressions: { expression: Expression; message: string }[] = [];
  const seen = new Set<string>();
  for (const [index, { claim = '', requiredValue = '', expression = '', message = '' }] of rules.entries()) {
    const at = `${path}[${index}]`;
    if (claim !== '' && expression !== '') errors.push(invalidValue(at, claim, "claim and expression can't both be set"));
    else if (claim === '' && expression === '') errors.push(required(at, 'claim or expression is required'));
    else if (claim !== '') {
      if (message !== '') errors.push(invalidValue(`${at}.message`, message, 'may not be specified when claim is set'));
      if (requiredClaims.has(claim)) errors.push(duplicate(`${at}.claim`, claim));
      requiredClaims.set(claim, requiredValue);
    } else {
      if (requiredValue !== '')
        errors.push(invalidValue(`${at}.requiredValue`, requiredValue, 'may not be specified when expression is set'));
      if (seen.has(expression)) errors.push(duplicate(`${at}.expression`, expression));
      else
        expressions.push(
          ...compiled(claimsCompiler, expression, `${at}.expression`, errors, 'bool').map((one) => ({
            expression: one,
            message,
          })),
        );
      seen.add(expression);
    }
  }
  return { required: requiredClaims, expressions };
}

function readUserRules(rules: NonNullable<WrittenIssuer['userValidationRules']>, path: string, errors: FieldError[]) {
  const seen = new Set<string>();
  return rules.flatMap(({ expression = '', message = '' }, index) => {
    const at = `${path}[${index}].expression`;
    if (expression !== '' && seen.has(expression)) {
      errors.push(duplicate(at, expression));
      return [];
    }
    seen.add(expression);
    return compiled(userCompiler, expression, at, errors, 'bool').map((one) => ({ expression: one, message }));
  });
}

/** Undefined if there is none. */
function readMapping(mapping: Mapping, path: string, isRequired: boolean, errors: FieldError[]): ClaimMapping | undefined {
  const { claim, expression, prefix } = mapping;
  if (claim && expression) {
    errors.push(invalidValue(path, '', "claim and expression can't both be set"));
    return undefined;
  }
  if (expression) {
    if (prefix !== undefined && prefix !== null)
      errors.push(invalidValue(`${path}.prefix`, prefix, 'may not be specified when expression is set'));
    const [one] = compiled(claimsCompiler, expression, `${path}.expression`, errors);
    return one === undefined ? undefined : { expression: one };
  }
  if (!claim) {
    if (isRequired) errors.push(required(path, 'claim or expression is required'));
    return undefined;
  }
  if (prefix === undefined || prefix === null) {
    errors.push(
      required(`${path}.prefix`, 'prefix is required when claim is set. It can be set to an empty string to disable prefixing'),
    );
    return undefined;
  }
  return { claim, prefix };
}

function readUid({ claim, expression }: Mapping, path: string, errors: FieldError[]): JwtIssuer['uid'] {
  if (claim && expression) {
    errors.push(invalidValue(path, '', "claim and expression can't both be set"));
    return undefined;
  }
  if (claim) return { claim };
  if (!expression) return undefined;
  const [one] = compiled(claimsCompiler, expression, `${path}.expression`, errors);
  return one === undefined ? undefined : { expression: one };
}

const reserved = /(^|\.)(kubernetes|k8s)\.io$/;

function readExtra(mappings: readonly { key?: string; valueExpression?: string }[], path: string, errors: FieldError[]) {
  const seen = new Set<string>();
  return mappings.flatMap(({ key = '', valueExpression = '' }, index) => {
    const at = `${path}[${index}]`;
    errors.push(...validateDomainPrefixedPath(key, `${at}.key`));
    if (key !== key.toLowerCase()) errors.push(invalidValue(`${at}.key`, key, 'must be lowercase'));
    if (key.includes('/') && reserved.test(key.slice(0, key.indexOf('/'))))
      errors.push(invalidValue(`${at}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'));
    if (seen.has(key)) {
      errors.push(duplicate(`${at}.key`, key));
      return [];
    }
    seen.add(key);
    if (valueExpression === '') {
      errors.push(required(`${at}.valueExpression`));
      return [];
    }
    return compiled(claimsCompiler, valueExpression, `${at}.valueExpression`, errors).map((expression) => ({ key, expression }));
  });
}
