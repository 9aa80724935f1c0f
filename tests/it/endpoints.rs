mod authorizer;
mod examples;
mod issuers;
mod login;
mod requests;
mod smuggling;
mod tokens;
