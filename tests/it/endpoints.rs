mod authorizer;
mod decisions;
mod examples;
mod issuers;
mod login;
mod requests;
mod smuggling;
mod tokens;
