/** Our OpenAPI documents are the ones that upstream publishes, group by group. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { servedResources } from '#control/apiserver/kinds/served-resources.testing.ts';
import { createOpenApi } from './openapi.ts';
import { comparable, digest, type OpenApiDocument, v2Part } from './openapi-digest.ts';
import { createOpenApiV2 } from './openapi-v2.ts';
import { publishedOpenApi } from './published-openapi.generated.ts';

const parse = (bytes: Uint8Array | undefined): OpenApiDocument =>
  JSON.parse(Buffer.from(bytes ?? []).toString()) as OpenApiDocument;

const openApi = createOpenApi(servedResources(), 'v1.36.0', () => ({}));
const index = parse(openApi.index()).paths;
const v2 = parse(createOpenApiV2(openApi).json());
const ours = (name: string): OpenApiDocument => parse(openApi.document(name));

const published = new Map(
  publishedOpenApi
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
);
/** What upstream publishes with every feature gate and API switched on, and does not serve by default; and what is not ours yet. */
const notServed = /^logs$|\/v\d+(alpha|beta)\d+$|^apis\/(internal\.apiserver|storagemigration|admissionregistration)\.k8s\.io/;
/** A checkout of upstream: then the differences are shown, not only that there are some. */
const checkout = process.env['TINKER_UPSTREAM'];

describe('OpenAPI documents as upstream publishes them', () => {
  it('are those of all that is served by default, and no others', () => {
    const wanted = [...published.keys()].filter((name) => !notServed.test(name) || Object.hasOwn(index, name));
    assert.deepEqual(Object.keys(index).sort(), wanted.sort());
  });

  for (const name of Object.keys(index)) {
    it(`${name}: paths, parameters, answers, types, extensions and defaults, in v3 and in v2`, () => {
      const document = ours(name);
      if (checkout !== undefined) {
        const file = join(checkout, 'api/openapi-spec/v3', `${name.replaceAll('/', '__')}_openapi.json`);
        const theirs = JSON.parse(readFileSync(file, 'utf8')) as OpenApiDocument;
        assert.deepEqual(comparable(document), comparable(theirs));
        const swagger = JSON.parse(readFileSync(join(checkout, 'api/openapi-spec/swagger.json'), 'utf8')) as OpenApiDocument;
        assert.deepEqual(comparable(v2Part(v2, document)), comparable(v2Part(swagger, theirs)));
      }
      assert.equal(`${digest(document)} ${digest(v2Part(v2, document))}`, published.get(name));
    });
  }
});
