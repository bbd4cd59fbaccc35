"""The analyst's side: sees releases and public facts only."""
