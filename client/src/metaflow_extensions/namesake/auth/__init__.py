"""Tokens for the gateway, and the user that they prove. Nothing here imports Metaflow when it is imported itself."""
