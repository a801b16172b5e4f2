import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAuthenticationConfiguration } from './authentication-configuration.ts';

const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';
const own = 'https://own';

interface Parts {
  issuer?: object;
  claimMappings?: object;
  claimValidationRules?: object[];
  userValidationRules?: object[];
}
const issuer = { url: 'https://issuer', audiences: ['a'] };
const claimMappings = { username: { claim: 'sub', prefix: '' } };
const withIssuers = (...jwt: Parts[]): string =>
  `${header}jwt: ${JSON.stringify(jwt.map((parts) => ({ issuer, claimMappings, ...parts })))}\n`;
const mapped = (more: object): Parts => ({ claimMappings: { ...claimMappings, ...more } });
const parse = (text: string) => parseAuthenticationConfiguration(text, [own]);

describe('an AuthenticationConfiguration', () => {
  it('has issuers, with defaults', () => {
    const { issuers, anonymous } = parse(withIssuers({ issuer: { ...issuer, discoveryURL: 'https://elsewhere/x' } }));
    assert.equal(anonymous, undefined);
    const [one] = issuers;
    assert.deepEqual(
      [one?.url, one?.discoveryUrl, one?.audiences, one?.username, one?.groups, one?.signingAlgs.length],
      ['https://issuer', 'https://elsewhere/x', ['a'], { claim: 'sub', prefix: '' }, undefined, 9],
    );
  });
  for (const version of ['v1', 'v1beta1', 'v1alpha1'])
    it(`may be of ${version}`, () =>
      assert.deepEqual(parse(`apiVersion: apiserver.config.k8s.io/${version}\nkind: AuthenticationConfiguration\n`).issuers, []));
  it('says who may be anonymous', () => {
    const text = `${header}anonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n  - path: /readyz\n`;
    assert.deepEqual(parse(text).anonymous, { enabled: true, paths: ['/livez', '/readyz'] });
    assert.deepEqual(parse(`${header}anonymous: {enabled: false}\n`).anonymous, { enabled: false, paths: [] });
  });

  const expression = (text: string) => ({ expression: text });
  const refused: [what: string, text: string, message: RegExp][] = [
    ['no YAML', '{', /yaml/],
    ['no object', '[]', /no object/],
    ['no kind', 'apiVersion: v1', /Object 'Kind' is missing/],
    ['another kind', 'apiVersion: v1\nkind: Pod', /no kind "Pod" is registered for version "v1"/],
    ['an unknown field', `${header}jwts: []\n`, /strict decoding error: unknown field "jwts"/],
    ['a field of another type', `${header}anonymous: {enabled: "yes"}`, /cannot unmarshal string into field anonymous\.enabled/],
    ['a key that is there twice', `${header}jwt: []\njwt: []\n`, /already set in map/],
    ['an issuer without a URL', withIssuers({ issuer: { audiences: ['a'] } }), /^jwt\[0\]\.issuer\.url: Required value$/],
    [
      'our own issuer',
      withIssuers({ issuer: { ...issuer, url: own } }),
      /URL must not overlap with disallowed issuers: \[https:\/\/own\]/,
    ],
    [
      'a URL of http',
      withIssuers({ issuer: { ...issuer, url: 'http://x' } }),
      /jwt\[0\]\.issuer\.url: Invalid value: "http:\/\/x": URL scheme must be https/,
    ],
    ['a URL with a query', withIssuers({ issuer: { ...issuer, url: 'https://x?y' } }), /URL must not contain a query/],
    ['one issuer twice', withIssuers({}, {}), /jwt\[1\]\.issuer\.url: Duplicate value: "https:\/\/issuer"/],
    [
      'a discovery URL that is the URL',
      withIssuers({ issuer: { ...issuer, discoveryURL: 'https://issuer/' } }),
      /discoveryURL must be different from URL/,
    ],
    [
      'no audience',
      withIssuers({ issuer: { url: 'https://issuer' } }),
      /jwt\[0\]\.issuer\.audiences: Required value: at least one jwt\[0\]\.issuer\.audiences is required/,
    ],
    [
      'two audiences',
      withIssuers({ issuer: { ...issuer, audiences: ['a', 'b'] } }),
      /audienceMatchPolicy must be MatchAny for multiple audiences/,
    ],
    [
      'one audience twice',
      withIssuers({ issuer: { ...issuer, audiences: ['a', 'a'], audienceMatchPolicy: 'MatchAny' } }),
      /jwt\[0\]\.issuer\.audiences\[1\]: Duplicate value: "a"/,
    ],
    [
      'a CA that is none',
      withIssuers({ issuer: { ...issuer, certificateAuthority: 'x' } }),
      /certificateAuthority: Invalid value: "<omitted>"/,
    ],
    ['an egress selector', withIssuers({ issuer: { ...issuer, egressSelectorType: 'cluster' } }), /egressSelectorType/],
    [
      'no user name',
      withIssuers({ claimMappings: {} }),
      /jwt\[0\]\.claimMappings\.username: Required value: claim or expression is required/,
    ],
    [
      'a claim without a prefix',
      withIssuers(mapped({ username: { claim: 'sub' } })),
      /username\.prefix: Required value: prefix is required when claim is set/,
    ],
    [
      'an expression with a prefix',
      withIssuers(mapped({ username: { expression: 'claims.sub', prefix: 'x' } })),
      /username\.prefix: Invalid value: "x": may not be specified when expression is set/,
    ],
    [
      'a claim and an expression',
      withIssuers(mapped({ groups: { claim: 'g', prefix: '', expression: 'claims.g' } })),
      /groups: Invalid value: "": claim and expression can't both be set/,
    ],
    [
      'an expression that is none',
      withIssuers(mapped({ username: expression('claims.') })),
      /username\.expression: Invalid value: "claims\.": compilation failed: ERROR: <input>:1:8/,
    ],
    [
      'an expression about something else',
      withIssuers(mapped({ uid: expression('user.uid') })),
      /undeclared reference to 'user'/,
    ],
    [
      'an address that nobody verifies',
      withIssuers(mapped({ username: expression('claims.email') })),
      /claims\.email_verified must be used in/,
    ],
    [
      'an extra of Kubernetes',
      withIssuers(mapped({ extra: [{ key: 'a.kubernetes.io/x', valueExpression: 'claims.x' }] })),
      /k8s\.io, kubernetes\.io and their subdomains are reserved/,
    ],
    [
      'an extra without a domain',
      withIssuers(mapped({ extra: [{ key: 'x', valueExpression: 'claims.x' }] })),
      /must be a domain-prefixed path/,
    ],
    [
      'an extra with capitals',
      withIssuers(mapped({ extra: [{ key: 'a.b/X', valueExpression: 'claims.x' }] })),
      /extra\[0\]\.key: Invalid value: "a\.b\/X": must be lowercase/,
    ],
    [
      'an extra without a value',
      withIssuers(mapped({ extra: [{ key: 'a.b/x' }] })),
      /extra\[0\]\.valueExpression: Required value/,
    ],
    [
      'a rule that says nothing',
      withIssuers({ claimValidationRules: [{}] }),
      /claimValidationRules\[0\]: Required value: claim or expression is required/,
    ],
    [
      'a rule that is not true or false',
      withIssuers({ claimValidationRules: [expression('1')] }),
      /claimValidationRules\[0\]\.expression: Invalid value: "1": must evaluate to bool/,
    ],
    [
      'a message of a claim',
      withIssuers({ claimValidationRules: [{ claim: 'a', message: 'm' }] }),
      /may not be specified when claim is set/,
    ],
    [
      'one rule twice',
      withIssuers({ claimValidationRules: [expression('true'), expression('true')] }),
      /claimValidationRules\[1\]\.expression: Duplicate value: "true"/,
    ],
    [
      'a rule about users that names a claim',
      withIssuers({ userValidationRules: [expression('claims.x == 1')] }),
      /undeclared reference to 'claims'/,
    ],
    [
      'a rule about a field that users do not have',
      withIssuers({ userValidationRules: [expression("user.x == ''")] }),
      /undefined field 'x'/,
    ],
    [
      'conditions for nobody',
      `${header}anonymous: {conditions: [{path: /a}]}`,
      /enabled should be set to true when conditions are defined/,
    ],
  ];
  for (const [what, text, message] of refused)
    it(`is refused: ${what}`, () =>
      assert.throws(
        () => parse(text),
        (error: Error) => error.name === 'AuthenticationConfigurationError' && message.test(error.message),
        `${(() => {
          try {
            parse(text);
            return 'taken';
          } catch (error) {
            return (error as Error).message;
          }
        })()}`,
      ));

  it('may read the address where something looks whether it is verified', () => {
    const username = expression("claims.email_verified ? claims.email : ''");
    assert.equal(parse(withIssuers(mapped({ username }))).issuers.length, 1);
    const rule = {
      claimMappings: { username: expression('claims.email') },
      claimValidationRules: [expression('claims.?email_verified.orValue(true) == true')],
    };
    assert.equal(parse(withIssuers(rule)).issuers.length, 1);
  });
});
