import { toJsonSchema } from '@valibot/to-json-schema';
import { errorAnswer } from '../src/admin/api/answers.ts';
import { ROUTES, type Route } from '../src/admin/api/routes.ts';
import { VERSION } from '../src/cli/version.ts';
import { isObject } from '../src/config/schema.ts';

type Schema = Route['answer'];
type Json = Readonly<Record<string, unknown>>;

/** src/admin/api/openapi.json: the admin API, from the schemas that read its requests and type its answers. */
export function openApi(): string {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const path = `/api${route.path}`;
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'Admin API of brigade-acr-gateway',
      version: VERSION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ adminToken: [] }, { session: [] }],
    paths: {
      ...paths,
      '/api/stream': {
        get: {
          summary:
            'Server-sent events: `stats` every two seconds, as `GET /api/stats` answers, and an `event` for each event that was received or attempted.',
          responses: {
            200: { description: 'The stream.', content: { 'text/event-stream': {} } },
            ...failures([401, 403, 503]),
          },
        },
      },
    },
    components: {
      securitySchemes: {
        adminToken: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'acr_gateway_session' },
      },
      responses: Object.fromEntries(
        Object.entries(MEANINGS).map(([status, description]) => [
          status,
          { description, content: jsonContent(jsonSchema(errorAnswer)) },
        ]),
      ),
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function operation({ about, role, params, query, body, answer, missing, conflict }: Route): Json {
  const parameters = [...parametersIn(params, 'path'), ...parametersIn(query, 'query')];
  const statuses = [
    ...(query === undefined && body === undefined ? [] : [400]),
    401,
    403,
    ...(missing === undefined ? [] : [404]),
    ...(conflict === undefined ? [] : [409]),
    421,
    503,
  ];
  return {
    summary: about,
    description: `Needs a token with the role \`${role}\`.`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(jsonSchema(body)) } }),
    responses: { 200: { description: 'Done.', content: jsonContent(jsonSchema(answer)) }, ...failures(statuses) },
  };
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is wrong.',
  401: 'The token is missing or wrong.',
  403: 'The token may not do this.',
  404: 'There is no such thing.',
  409: 'Not now.',
  421: 'The Host header is not one of ADMIN_ALLOWED_HOSTS.',
  503: 'The gateway cannot answer now.',
};

function failures(statuses: readonly number[]): Json {
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${status}` }]));
}

function jsonContent(schema: Json): Json {
  return { 'application/json': { schema } };
}

/** Each field of a query or a path. */
function parametersIn(schema: Schema | undefined, place: 'path' | 'query'): readonly Json[] {
  if (schema === undefined) return [];
  const { properties, required = [] } = jsonSchema(schema);
  if (!isObject(properties) || !Array.isArray(required)) throw new Error('parameters must be an object');
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: property,
  }));
}

/** What our own schemas check beyond their type is in their metadata, as the words that complete "must be …". */
function jsonSchema(schema: Schema): Json {
  const {
    $schema: _,
    $defs: __,
    ...converted
  } = toJsonSchema(schema, {
    target: 'draft-2020-12',
    typeMode: 'output',
    errorMode: 'ignore',
    overrideSchema: ({ valibotSchema, jsonSchema: made }) =>
      valibotSchema.type === 'loose_object' ? { ...made, additionalProperties: false } : undefined,
    overrideAction: ({ valibotAction, jsonSchema: made }) =>
      valibotAction.type === 'metadata' ? described({ ...made }) : undefined,
  });
  return { ...converted };
}

function described(made: Json): Json {
  const { expected, either, ...rest } = made;
  if (Array.isArray(either)) return { anyOf: either.map(jsonSchema) };
  const description = rest['description'] ?? expected;
  return { ...rest, ...(description === undefined ? {} : { description }) };
}
